/** Source `file`: follows growing files line by line, or hands on finished files as a whole. */
import { Observable } from 'rxjs'
import type { Batch } from '../../batch/batch.ts'
import { defineSource } from '../../component/define.ts'
import { Discovery } from './discovery.ts'
import { LineReader } from './line-reader.ts'
import { Once } from './once.ts'
import { options } from './options.ts'
import { Poller } from './poller.ts'
import { WholeReader } from './whole-reader.ts'

export const file = defineSource({
  name: 'file',
  summary: 'Follows files line by line, or hands on finished files as a whole.',
  description: `
**Delivery.** At least once. How far a file was dealt with is written down (file \`lines.json\` or
\`whole.json\` in this component's data directory) only after every sink has answered for the lines, so
a restart goes on exactly there; after a kill, the lines since the last checkpoint come again.

**Which file is which.** A file is known by device and inode, and by hashes of its first 1 KiB and of
the bytes before the last offset. So renaming keeps its place, and a new file that got the inode of a
deleted one is read from its beginning. A file that is renamed away or deleted is read to its end
first, as long as it was open (\`max_open_files\`). One that was renamed while the edge was down is
found again if it stayed in its directory.

**Truncation.** A file that has become shorter, or no longer holds what was read from it, is read from
its beginning. With copytruncate rotation, what was written between the last read and the truncation
is only in the copy: make \`include\` match the copy as well (\`app.log*\`) and it is taken from there,
without the lines that were read before. What is written between the copy and the truncation is lost
by any reader; rotate by renaming if that matters. A new file that begins exactly like one that is
followed waits until it has been quiet for 3 s (at most 60 s), to see whether it is such a copy.

**Lines.** A last line without a newline is waited for; it is taken as it is only when its file is gone.
Runs of NUL bytes where a line should begin (left by copytruncate or lost power) are left out and
counted. Order is kept within a file, not between files; every file gets its turn.

**What is left alone.** Directories, FIFOs, devices and sockets; files that symbolic links lead to
outside the directory that the pattern names; directories behind links, for wildcards; compressed
files (by name or first bytes), unless they were followed already. Each is told once.

**Limits.** Files are read on the edge's own thread: a network file system that hangs, hangs the edge.
A file that appears and disappears between two looks is not seen. With more matching files than
\`max_open_files\`, a closed file that is renamed is found again only in its directory.

**\`read: whole\`** makes this record of each file whose size and modification time have not changed for
\`settle\` and that no visible process has open for writing; the contents are read by the sink:
\`{"sourcetype":"file","source":"/path","_time":…,"host":"…","data":{"path":…,"name":…,"directory":…,"size":…,"mtime":…,"inode":…,"device":…}}\`.
It is sent once; again if it changes, or if the edge stopped before it was answered for.
`,
  options,
  examples: [
    {
      title: 'Follow the logs of nginx as text',
      yaml: 'type: file\ninclude: [/var/log/nginx/*.log]\nformat: lines\npath_field: file',
    },
    {
      title: 'NDJSON with copytruncate rotation',
      yaml: "type: file\ninclude: ['/var/log/app/events.ndjson*']\nexclude: ['*.gz']",
    },
    {
      title: 'Ship crash files and delete them once they are delivered',
      yaml: 'type: file\ninclude: [/tmp/appscope/*/*]\nread: whole\non_delivered: delete',
    },
  ],
  create: (options, context) =>
    new Observable<Batch>(subscriber => {
      if (context.signal.aborted) {
        subscriber.complete()
        return
      }
      const emit = (batch: Batch) => {
        if (subscriber.closed) batch.release('aborted')
        else subscriber.next(batch)
      }
      const once = new Once(context)
      const discovery = new Discovery(options.include, options.exclude, once)
      const Reader = options.read === 'lines' ? LineReader : WholeReader
      const reader = new Reader(options, context, discovery, once, emit)
      const poller = new Poller(context, options.poll_interval, options.watch, () => reader.look())
      const stop = () => {
        poller.stop()
        reader.stop()
      }
      const finish = () => {
        stop()
        subscriber.complete()
      }
      context.signal.addEventListener('abort', finish, { once: true })
      poller.start()
      return () => {
        context.signal.removeEventListener('abort', finish)
        stop()
      }
    }),
})

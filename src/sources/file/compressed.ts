/** Compressed files, which hold no lines: told by their name or by their first bytes. */

const NAMES = /\.(gz|bz2|xz|zst|lz4|Z|zip)$/
const SIGNATURES = ['1f8b', '28b52ffd', 'fd377a585a00', '425a68', '04224d18', '504b0304', '1f9d']

export function isCompressedName(path: string): boolean {
  return NAMES.test(path)
}

export function isCompressed(head: Buffer): boolean {
  const hex = head.toString('hex', 0, 6)
  // `BZh` could begin a text; bzip2 has a digit and the digits of pi after it.
  return SIGNATURES.some(signature =>
    signature === '425a68' ? /^425a683[1-9]3141/.test(hex) : hex.startsWith(signature),
  )
}

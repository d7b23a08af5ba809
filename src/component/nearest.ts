/** Finds the known name that someone most likely meant. */

/** The nearest of the names, or undefined if none is near enough to be worth a guess. */
export function nearest(text: string, names: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const name of names) {
    const distance = rating(text, name)
    // One letter in three may be wrong, a little more if the word begins alike.
    const alike = text[0] === name[0] ? Math.ceil : Math.floor
    const limit = Math.min(3, Math.max(1, alike(text.length / 3)))
    if (distance <= limit && distance < least) {
      least = distance
      best = name
    }
  }
  return best
}

/** Distance, where a difference in case or separators only, or a cut-off end, counts little. */
function rating(text: string, name: string): number {
  const plain = (word: string) => word.toLowerCase().replace(/[-_. ]/g, '')
  if (plain(text) === plain(name)) return 0.5
  const distance = editDistance(plain(text), plain(name))
  if (distance > 1 && text.length >= 3 && (name.startsWith(text) || text.startsWith(name))) return 1
  return distance
}

/** Damerau-Levenshtein (optimal string alignment): edits that make one word the other. */
export function editDistance(a: string, b: string): number {
  let twoAgo: number[] = []
  let before = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(
        (before[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (before[j - 1] as number) + same,
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (twoAgo[j - 2] as number) + 1)
      }
      row.push(cost)
    }
    twoAgo = before
    before = row
  }
  return before[b.length] as number
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(text: string, names: Iterable<string>): string {
  const name = nearest(text, names)
  return name === undefined ? '' : `; did you mean "${name}"?`
}

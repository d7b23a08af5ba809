/**
 * What a source leaves to the one that takes its place on a reload: batches of the old one are still on
 * their way then, and only it is told what becomes of them. Without this the new one would have to
 * take them for unanswered, and read the same again.
 */

const leaving = new Map<string, unknown>()

/**
 * Stays to be inherited until the result is called.
 * @param place path of the checkpoint: whoever keeps that is the heir
 */
export function leaveBehind(place: string, reader: object): () => void {
  leaving.set(place, reader)
  return () => {
    if (leaving.get(place) === reader) leaving.delete(place)
  }
}

/** The one before, if it has something under way; each is inherited once. */
export function inherit<Reader extends object>(
  place: string,
  kind: abstract new (...args: never[]) => Reader,
): Reader | undefined {
  const reader = leaving.get(place)
  if (!(reader instanceof kind)) return undefined
  leaving.delete(place)
  return reader
}

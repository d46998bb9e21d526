// The nearest known name to one that nobody knows: for "did you mean".

/** Damerau-Levenshtein distance (adjacent swaps count 1), given up above `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      let d = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, before[j - 2]! + 1);
      next.push(d);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** The known name that a person may have meant, or null when none is near (a third of its length, at least 1). */
export function nearestName(name: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  const typed = name.slice(0, 64).toLowerCase();
  for (const candidate of known) {
    const limit = Math.max(1, Math.floor(Math.max(candidate.length, typed.length) / 3));
    const d = distance(typed, candidate.toLowerCase(), limit);
    if (d <= limit && d < least) {
      best = candidate;
      least = d;
    }
  }
  return best;
}

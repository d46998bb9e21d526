// Patterns over interface labels (`node1/cni0`): `*` stands for any text, `?` for one character. A pattern without a
// slash is held against the interface name alone: `eth0` is every eth0.

/** True when one of the patterns matches; no patterns match everything. */
export function matchesLabel(patterns: readonly string[], label: string): boolean {
  if (patterns.length === 0) return true;
  const name = label.slice(label.lastIndexOf('/') + 1);
  return patterns.some((pattern) => matches(pattern, pattern.includes('/') ? label : name));
}

/** Greedy with one point of return (the last `*`): at most length x length steps. */
function matches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length) {
    const c = pattern[p];
    if (c === '*') {
      star = p++;
      starText = t;
    } else if (c === '?' || c === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++starText;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

export function median (values) {
  return percentile(values, 0.5)
}

export function percentile (values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]
  return below + (sorted[Math.ceil(at)] - below) * (at - Math.floor(at))
}

/** Round by round where both have had their turns beside each other: a machine that is slow for a minute is so for both. */
export function ratioOf (ours, theirs) {
  return ours.length === theirs.length ? median(ours.map((value, round) => value / theirs[round])) : median(ours) / median(theirs)
}

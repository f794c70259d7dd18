/** Along the lines between points, and beyond the outer ones as the nearest line goes on. @param points [x, y], by x */
export function interpolate (points, x) {
  let next = points.findIndex(([at]) => at >= x)
  if (next === -1) next = points.length - 1
  if (next === 0) next = 1
  const [[x1, y1], [x2, y2]] = [points[next - 1], points[next]]
  return y1 + (y2 - y1) * (x - x1) / (x2 - x1)
}

import { contenders } from './contenders.js'
import { METRICS, number } from './metrics.js'
import { median, ratioOf } from './statistics.js'

/** A table of Markdown that can be read as text too. */
export function table (head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column].length)))
  const line = row => `| ${row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join(' | ')} |`
  const rule = `|${widths.map((width, column) => column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

/**
 * One result: a contender in each row, with the medians of what it measured, the span of the main value, and the ratio of
 * that. Where all rows are ours, under titles of their own, the first is what the others are held against.
 */
export function resultTable ({ titles, values, missing = {}, main }) {
  const rows = Object.entries(values).filter(([, measured]) => Object.keys(measured).length > 0)
  const metrics = Object.keys(METRICS).filter(metric => rows.some(([, measured]) => metric in measured))
  main ??= metrics[0]
  const first = rows[0][1][main]
  const title = name => titles?.[name] ?? contenders[name].title
  const head = ['', ...metrics.map(metric => METRICS[metric].title), `${METRICS[main].title}, least to most`, titles === undefined ? 'ours against it' : 'against the first']
  return table(head, [
    ...rows.map(([name, measured]) => [
      title(name),
      ...metrics.map(metric => metric in measured ? METRICS[metric].write(median(measured[metric])) : ''),
      `${number(Math.min(...measured[main]))} to ${METRICS[main].write(Math.max(...measured[main]))}`,
      number(titles === undefined ? ratioOf(first, measured[main]) : ratioOf(measured[main], first))
    ]),
    ...Object.entries(missing).map(([name, why]) => [title(name), `not supported yet: ${why}`, ...head.slice(2).map(() => '')])
  ])
}

export function ratioTable (judged) {
  return table(['case', 'against', 'measured', 'at most', 'reached'], judged.map(({ title, opponent, value, atMost, least, met }) => [
    title, opponent, value === undefined ? '-' : value.toFixed(atMost < 0.1 ? 3 : 2), atMost.toFixed(2),
    met ? 'yes' : least === undefined ? 'NO' : `NO: ${least}`
  ]))
}

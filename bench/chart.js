import { contenders } from './contenders.js'
import { number } from './metrics.js'
import { median } from './statistics.js'

const COLOURS = { rooms: '#e8590c', floor: '#868e96', bun: '#2f9e44', ws: '#1c7ed6', socketio: '#ae3ec9' }
const [WIDTH, HEIGHT, TOP, BOTTOM] = [960, 440, 64, 380]
/** Microseconds at the foot and at the head of the axis. */
const [LEAST, MOST] = [0.05, 20]
const TICKS = [0.1, 1, 10]
const LINE_HEIGHT = 17

/** CPU per delivery against burst, and against members, on one logarithmic axis. */
export function chart (results) {
  const bursts = panel({
    left: 64,
    right: 380,
    title: 'as more messages come at once (1,000 members)',
    steps: ['1', '10', '100'],
    unit: 'messages in a burst',
    lines: Object.keys(COLOURS).map(name => ({ name, values: ['fanout-1', 'fanout-10', 'fanout-100'].map(id => valueOf(results, id, name)) }))
  })
  const members = panel({
    left: 600,
    right: 790,
    title: 'as the room grows (one message after the other)',
    steps: ['100', '1,000', '10,000'],
    unit: 'members',
    lines: ['rooms', 'floor'].map(name => ({ name, values: ['100', '1000', '10000'].map(count => valueOf(results, 'members', `${name}-${count}`)) }))
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title description" font-family="system-ui, sans-serif" font-size="13">
<title id="title">CPU of the server per delivery, in microseconds</title>
<desc id="description">Logarithmic; lower is better. The numbers are in the tables of the page.</desc>
<style>
  text { fill: #57606a } .rule { stroke: #8c959f; stroke-opacity: .35 }
  @media (prefers-color-scheme: dark) { text { fill: #a8b1bb } }
  .line { fill: none; stroke-width: 2 } .ours { stroke-width: 4 } .ours-label { font-weight: bold }
</style>
<text x="64" y="22" font-size="16" font-weight="bold">CPU of the server per delivery, in microseconds (logarithmic; lower is better)</text>
${bursts}
${members}
</svg>
`
}

function valueOf (results, id, name) {
  return median(results.find(result => result.id === id).values[name].cpu)
}

function panel ({ left, right, title, steps, unit, lines }) {
  const x = step => left + (right - left) * step / (steps.length - 1)
  const labels = spread(lines.map(({ values }) => y(values.at(-1))))
  return [
    `<text x="${left}" y="46">${title}</text>`,
    ...TICKS.flatMap(tick => [
      `<line class="rule" x1="${left}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}"/>`,
      `<text x="${left - 8}" y="${y(tick) + 4}" text-anchor="end">${tick}</text>`
    ]),
    ...steps.map((step, index) => `<text x="${x(index)}" y="${BOTTOM + 20}" text-anchor="middle">${step}</text>`),
    `<text x="${(left + right) / 2}" y="${BOTTOM + 42}" text-anchor="middle">${unit}</text>`,
    ...lines.flatMap(({ name, values }, index) => {
      const ours = name === 'rooms'
      const points = values.map((value, step) => `${round(x(step))},${y(value)}`)
      return [
        `<polyline class="line${ours ? ' ours' : ''}" stroke="${COLOURS[name]}" points="${points.join(' ')}"/>`,
        ...points.map(point => `<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="${ours ? 5 : 3.5}" fill="${COLOURS[name]}"/>`),
        `<text${ours ? ' class="ours-label"' : ''} x="${right + 10}" y="${labels[index] + 4}" style="fill: ${COLOURS[name]}">${label(name, values.at(-1))}</text>`
      ]
    })
  ].join('\n')
}

function label (name, value) {
  return `${contenders[name].title.split(',')[0].replaceAll('`', '')}: ${number(value)}`
}

function y (value) {
  return round(BOTTOM - (BOTTOM - TOP) * Math.log(value / LEAST) / Math.log(MOST / LEAST))
}

/** Labels stand beside the ends of their lines, moved apart where those are too close. */
function spread (heights) {
  const order = heights.map((height, index) => ({ height, index })).sort((a, b) => a.height - b.height)
  for (let turn = 0; turn < 50; turn++) {
    for (let at = 1; at < order.length; at++) {
      const overlap = LINE_HEIGHT - (order[at].height - order[at - 1].height)
      if (overlap > 0) {
        order[at].height += overlap / 2
        order[at - 1].height -= overlap / 2
      }
    }
  }
  return order.sort((a, b) => a.index - b.index).map(({ height }) => round(height))
}

function round (value) {
  return Math.round(value * 10) / 10
}

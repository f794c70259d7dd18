import { table } from '../bench/tables.js'
import { contenders } from './contenders.js'

const COLUMNS = [
  'publishers were told', 'due', 'lost in silence', 'lost and told', 'twice', 'out of order', 'in different orders', 'heard again after', 'told within',
  'processes ended'
]

/** What came of a scenario, a contender in each row. */
export function resultTable ({ outcomes }) {
  const measures = [...new Set(Object.values(outcomes).flatMap(({ verdict }) => Object.keys(verdict.measures)))]
  return table(['', ...COLUMNS, ...measures], Object.entries(outcomes).map(([name, { verdict }]) => [
    contenders[name].title,
    contenders[name].ours ? claims(verdict) : '-', count(verdict.due), count(verdict.silent), count(verdict.told), count(verdict.doubled), count(verdict.disordered), count(verdict.differing),
    seconds(verdict.resumed), seconds(verdict.slowestTelling), count(verdict.deaths.length),
    ...measures.map(measure => String(verdict.measures[measure] ?? '-'))
  ]))
}

/** All scenarios, a contender in each column. */
export function overview (results, link = id => id) {
  const names = Object.keys(contenders).filter(name => results.some(({ outcomes }) => name in outcomes))
  return table(['', ...names.map(name => contenders[name].short)], results.map(({ scenario, outcomes }) => [
    `${link(scenario.id)}: ${scenario.title}`, ...names.map(name => name in outcomes ? inShort(outcomes[name].verdict) : '')
  ]))
}

/** What clients suffered, in the order of how bad that is; what they were told of in brackets. */
function inShort ({ due, silent, told, doubled, disordered, deaths, claims: { unavailable, unknown } }) {
  const parts = [
    ...deaths.length > 0 ? [`${deaths.length} ended`] : [],
    ...silent > 0 ? [`${count(silent)} lost`] : [],
    ...doubled > 0 ? [`${count(doubled)} twice`] : [],
    ...disordered > 0 ? [`${count(disordered)} out of order`] : [],
    ...told > 0 ? [`(${count(told)} told)`] : []
  ]
  if (parts.length === 0) parts.push(due === 0 ? '-' : `all ${count(due)}`)
  if (unavailable + unknown > 0) parts.push(`${count(unavailable + unknown)} refused`)
  return parts.join(', ')
}

const CLAIMED = { accepted: 'sent', degraded: 'to this process only', unavailable: 'not sent', unknown: 'unknown' }

function claims ({ claims }) {
  return Object.entries(CLAIMED).filter(([claim]) => claims[claim] > 0).map(([claim, words]) => `${count(claims[claim])} ${words}`).join(', ') || '-'
}

function count (number) {
  return number.toLocaleString('en')
}

function seconds (milliseconds) {
  if (milliseconds === Infinity) return 'never'
  return milliseconds === 0 ? '-' : `${(milliseconds / 1_000).toFixed(1)} s`
}

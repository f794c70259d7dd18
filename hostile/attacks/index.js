import { attacks as crowds } from './crowds.js'
import { attacks as floods } from './floods.js'
import { attacks as frames } from './frames.js'
import { attacks as handlers } from './handlers.js'
import { attacks as json } from './json.js'
import { attacks as upgrade } from './upgrade.js'
import { attacks as waiting } from './waiting.js'

/**
 * What attackers do, in the numbers of docs/reliability.md.
 * - `what` they do and how it `ends`, which together are a sentence
 * - `run` resolves when the attack has done what it does, and the server has read it
 * - `endings` that each of them may come to with this plugin; what stays open and does no harm is `open`
 * - `wanted` makes the end come sooner, for tests, which wait for it; what is `measured` is measured without
 * - `meanwhile` is what the server is made to do while the sockets stand; `after` has them see what they did not look at
 */
export const attacks = [...upgrade, ...waiting, ...frames, ...floods, ...crowds, ...json, ...handlers]

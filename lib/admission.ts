import type { FastifyRequest } from 'fastify'
import type { Duplex } from 'node:stream'
import { Bucket } from './bucket.js'
import { Crowd } from './crowd.js'
import { networkOf } from './network.js'

export interface AdmissionLimits {
  maxConnections?: number
  maxConnectionsPerAddress?: number
  acceptRate?: number
}

/** Why there is no room for one more. */
export type Full = 'pressure' | 'connections' | 'waiting' | 'address' | 'rate'

type Pressured = { isUnderPressure? (): boolean }

/**
 * How many there may be. A socket counts from the moment in which its upgrade is let pass to the end of its connection,
 * whoever ends it and however far it has come.
 */
export class Admission {
  readonly #max: number
  readonly #isDoorFull: () => boolean
  readonly #rate: Bucket | undefined
  readonly #addresses: Crowd<Duplex> | undefined
  /** Whether sockets have to be counted at all. */
  readonly #counts: boolean
  #size = 0

  /** @param isDoorFull whether too many have not proved who they are */
  constructor ({ maxConnections, maxConnectionsPerAddress, acceptRate }: AdmissionLimits, isDoorFull: () => boolean) {
    this.#max = maxConnections ?? Infinity
    this.#isDoorFull = isDoorFull
    this.#rate = acceptRate === undefined ? undefined : new Bucket({ perSecond: acceptRate, burst: acceptRate })
    this.#addresses = maxConnectionsPerAddress === undefined ? undefined : new Crowd(maxConnectionsPerAddress)
    this.#counts = maxConnections !== undefined || this.#addresses !== undefined
  }

  /**
   * Takes a place for an upgrade.
   * @param socket its connection
   * @returns why there is none
   */
  enter (request: FastifyRequest, socket: Duplex): Full | undefined {
    if ((request.server as Pressured).isUnderPressure?.() === true) return 'pressure'
    if (this.#size >= this.#max) return 'connections'
    if (this.#isDoorFull()) return 'waiting'
    // An upgrade that comes from no other machine, as one of the tests' `injectWS` does, has no address.
    const network = this.#addresses === undefined || request.socket === undefined ? undefined : networkOf(request.ip)
    if (network !== undefined && this.#addresses?.isFull(network) === true) return 'address'
    if (this.#rate?.spend() === false) return 'rate'
    if (this.#counts) this.#count(socket, network)
    return undefined
  }

  #count (socket: Duplex, network: string | undefined): void {
    this.#size++
    if (network !== undefined) this.#addresses?.add(network, socket)
    socket.once('close', () => {
      this.#size--
      if (network !== undefined) this.#addresses?.delete(network, socket)
    })
  }
}

import { describe, expect, test } from 'tstyche'
import type { Connection, User } from '../index.js'
import type { Account } from './route.tst.js'

const socket: Connection = Object.create(null)

describe('a connection', () => {
  test('has the user that FastifyJWT declares', () => {
    expect<User>().type.toBe<Account>()
    expect(socket.user).type.toBe<Account | null>()
    expect(socket.userId).type.toBe<string | undefined>()
  })

  test('is read, sent to and closed, and never changed', () => {
    expect(socket.send({ command: 'HELLO' })).type.toBe<boolean>()
    expect(socket.close).type.toBeCallableWith(4_003, 'forbidden')
    expect(socket.close()).type.toBe<void>()
    expect(socket.join('cdr')).type.toBe<Promise<boolean>>()
    expect(socket.join('cdr', { recover: undefined })).type.toBe<Promise<boolean>>()
    expect(socket.leave('cdr')).type.toBe<Promise<boolean>>()
    expect(socket.join).type.not.toBeCallableWith(7)
    expect(socket.join).type.not.toBeCallableWith('cdr', { from: 7 })
    expect(socket.leave).type.not.toBeCallableWith()
    expect(socket.rooms).type.toBe<ReadonlySet<string>>()
    expect(socket.send).type.not.toBeCallableWith('HELLO')
    expect(socket.close).type.not.toBeCallableWith('forbidden')
    expect(() => { socket.user = null }).type.toRaiseError('read-only property')
    expect(() => { socket.rooms.add('cdr') }).type.toRaiseError("'add' does not exist")
  })
})

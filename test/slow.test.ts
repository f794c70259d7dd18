import t from 'tap'
import { SlowReaders } from '../lib/slow.js'

t.test('who was cut off is remembered, but only so many', async t => {
  const slow = new SlowReaders()
  const cutOff = (user: string | undefined): void => {
    slow.add(user)
    slow.add(user)
  }
  cutOff('jeanne')
  t.equal(slow.has('jeanne'), true)
  t.equal(slow.has('ada'), false)
  cutOff(undefined)
  t.equal(slow.has(undefined), false, 'whoever has no name is nobody in particular')
  for (let number = 0; number < 10_000; number++) cutOff(`user ${number}`)
  t.equal(slow.has('jeanne'), false)
  t.equal(slow.has('user 0'), true)
})

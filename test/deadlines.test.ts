import t from 'tap'
import { Deadlines } from '../lib/deadlines.js'

const timers = (): number => process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length

t.test('what is begun anew when its time is over has one timer, however often, and none when they are closed', async t => {
  const before = timers()
  let times = 0
  const most = await new Promise<number>(resolve => {
    const deadlines = new Deadlines<object>(5, item => {
      deadlines.add(item)
      if (++times < 20) return
      const most = timers() - before
      deadlines.close()
      resolve(most)
    })
    deadlines.add({})
  })
  t.ok(most <= 2, `${most} timers, with the one that has just fired`)
  t.equal(timers(), before)
})

import t from 'tap'
import { createLink } from '../../lib/brokers/redis-link.js'
import { Subscriptions } from '../../lib/brokers/subscriptions.js'
import { until } from '../helpers/app.js'
import { startRedis } from '../helpers/redis.js'

t.test('what is doubted is subscribed to again and told, but only what is subscribed to', async t => {
  const redis = await startRedis(t)
  const link = await createLink(redis.url)
  await link.subscriber.connect()
  t.teardown(() => link.subscriber.disconnect())
  const missed: string[] = []
  const subscriptions = new Subscriptions(link, channel => { missed.push(channel) })
  t.teardown(() => subscriptions.close())
  await subscriptions.subscribe('rooms:a')
  await subscriptions.subscribe('rooms:b')
  subscriptions.doubt('rooms:never')
  subscriptions.doubt('rooms:a')
  await until(() => missed.length === 1)
  t.strictSame(missed, ['rooms:a'])
  await subscriptions.unsubscribe('rooms:b')
  subscriptions.doubt('rooms:b')
  await subscriptions.subscribe('rooms:c')
  t.strictSame(missed, ['rooms:a'], 'who has left has missed nothing')
})

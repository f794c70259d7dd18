import t from 'tap'
import { TestBus } from '../../testing/index.js'
import { brokerSuite } from '../brokers/suite.js'

brokerSuite(t, 'of the testing kit, while nothing goes wrong', async () => {
  const bus = new TestBus()
  return () => bus.broker()
})

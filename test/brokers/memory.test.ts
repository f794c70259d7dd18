import t from 'tap'
import { MemoryBroker, MemoryBus } from '../../index.js'
import { brokerSuite } from './suite.js'

brokerSuite(t, 'memory', async () => {
  const bus = new MemoryBus()
  return () => new MemoryBroker(bus)
})

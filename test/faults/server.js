// A process under the control of the harness that serves nobody, and so is there at once.
import { serve } from '../../faults/server.js'

serve({
  port: 1,
  publish: async () => 'accepted',
  members: () => 7,
  fail: () => { throw new Error('I cannot') },
  end: () => process.exit(3),
  // Its last word, which one that is killed does not say.
  close: async () => process.send({ reports: [['sent', 'goodbye', 'room', 1, 0]] })
})

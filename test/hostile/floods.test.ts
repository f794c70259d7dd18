import t from 'tap'
import { besiege } from './siege.js'

besiege(t, 'floods')

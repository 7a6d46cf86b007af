import t from 'tap'
import { AtOnce } from '../../../src/node/at-once.ts'

t.test('each has as many under way as may be, and others when some have ended', async (t) => {
  const atOnce = new AtOnce(2)
  t.same(['a', 'a', 'a', 'b'].map((owner) => atOnce.begin(owner)), [true, true, false, true])
  atOnce.end('a')
  t.same(['a', 'a'].map((owner) => atOnce.begin(owner)), [true, false])
  for (const owner of ['a', 'a', 'b']) atOnce.end(owner)
  t.same(['a', 'a', 'a'].map((owner) => atOnce.begin(owner)), [true, true, false])
})

/** The part of the contract about sorted sets. */
import { describe, expect, it } from 'vitest'
import { arity, check, NOT_INTEGER, refused, result, SYNTAX, type Use } from './steps.ts'

const NOT_FLOAT = refused('ERR value is not a valid float')
const BAD_SCORE_BOUND = refused('ERR min or max is not a float')
const BAD_MEMBER_BOUND = refused('ERR min or max not valid string range item')

export function sortedSetContract(use: Use): void {
  const score = (member: string) => result(use(), 'ZSCORE', 'z', member)

  describe('sorted sets', () => {
    it('adds, moves and removes members', () =>
      check(use(), [
        ['ZADD z 2 b 1 a', 2],
        ['ZADD z 3 a 4 c', 1],
        ['ZCARD z', 3],
        ['ZSCORE z a', '3'],
        ['ZSCORE z none', null],
        ['ZSCORE none a', null],
        ['ZREM z a none', 1],
        ['ZREM z b c', 2],
        ['EXISTS z', 0],
        ['ZREM z b', 0],
        ['ZCARD z', 0],
      ]))

    it('refuses what ZADD cannot read, and then adds nothing', () =>
      check(use(), [
        ['ZADD z x a', NOT_FLOAT],
        ['ZADD z constructor m', NOT_FLOAT],
        ['ZADD z __proto__ m', NOT_FLOAT],
        ['ZADD z nan a', NOT_FLOAT],
        ['ZADD z 1 a x b', NOT_FLOAT],
        [['ZADD', 'z', '', 'a'], NOT_FLOAT],
        [['ZADD', 'z', ' 1', 'a'], NOT_FLOAT],
        ['ZADD z 1', arity('zadd')],
        ['ZADD z 1 a 2', SYNTAX],
        ['EXISTS z', 0],
      ]))

    it('prints scores as Redis does', async () => {
      await check(use(), [
        ['ZADD z 1 a 1.5 b -3 c 1e3 d 1e16 e 1e17 f 1e20 g inf h -inf i 0x10 j -0.25 k', 11],
        ['ZADD z 9007199254740991 max 1785000000123 time', 2],
        ['ZADD z 0.1 tenth 1.5e-7 small', 2],
      ])
      const printed = await Promise.all([...'abcdefghijk', 'max', 'time'].map(score))
      const large = ['10000000000000000', '1e+17', '1e+20', 'inf', '-inf', '16', '-0.25']
      const whole = ['9007199254740991', '1785000000123']
      expect(printed).toEqual(['1', '1.5', '-3', '1000', ...large, ...whole])
      const [tenth, small] = await Promise.all(['tenth', 'small'].map(score))
      expect([Number(tenth), Number(small)]).toEqual([0.1, 1.5e-7])
    })

    it('orders by score and then by the bytes of the member', () =>
      check(use(), [
        // UTF-16 would put the emoji before U+FFFD; bytes put it behind.
        ['ZADD z 1 b 1 B 1 a 1 \u{1f600} 1 \ufffd 1 é 0 z', 7],
        ['ZRANGE z 0 -1', ['z', 'B', 'a', 'b', 'é', '\ufffd', '\u{1f600}']],
        ['ZRANGE z 0 2 REV', ['\u{1f600}', '\ufffd', 'é']],
      ]))

    it('ranges by index', () =>
      check(use(), [
        ['ZADD z 1 a 2 b 3 c 4 d', 4],
        ['ZRANGE z 0 -1', ['a', 'b', 'c', 'd']],
        ['ZRANGE z 1 2', ['b', 'c']],
        ['ZRANGE z -2 -1 WITHSCORES', ['c', '3', 'd', '4']],
        ['ZRANGE z -100 0', ['a']],
        ['ZRANGE z 2 100', ['c', 'd']],
        ['ZRANGE z 3 1', []],
        ['ZRANGE z 0 -5', []],
        ['ZRANGE z 9 10', []],
        ['ZRANGE z 0 1 REV WITHSCORES', ['d', '4', 'c', '3']],
        ['ZRANGE none 0 -1', []],
        ['ZRANGE z x 1', NOT_INTEGER],
        ['ZRANGE z 0 1 FOO', SYNTAX],
        [
          'ZRANGE z 0 -1 LIMIT 0 1',
          refused(
            'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX',
          ),
        ],
      ]))

    it('ranges by score', () =>
      check(use(), [
        ['ZADD z 1 a 2 b 2 c 3 d', 4],
        ['ZRANGEBYSCORE z 2 3', ['b', 'c', 'd']],
        ['ZRANGEBYSCORE z (2 +inf', ['d']],
        ['ZRANGEBYSCORE z -inf (2', ['a']],
        ['ZRANGEBYSCORE z -inf inf LIMIT 1 2', ['b', 'c']],
        ['ZRANGEBYSCORE z -inf inf LIMIT 2 -1', ['c', 'd']],
        ['ZRANGEBYSCORE z -inf inf LIMIT -1 2', []],
        ['ZRANGEBYSCORE z 3 2', []],
        ['ZRANGEBYSCORE none 0 1', []],
        ['ZCOUNT z 2 2', 2],
        ['ZCOUNT z (1 inf', 3],
        ['ZCOUNT none 0 1', 0],
        ['ZRANGEBYSCORE z x 1', BAD_SCORE_BOUND],
        ['ZCOUNT z 0 x', BAD_SCORE_BOUND],
        ['ZRANGEBYSCORE z 0 1 LIMIT 1', SYNTAX],
        ['ZRANGEBYSCORE z 0 1 LIMIT x 1', NOT_INTEGER],
        ['ZRANGEBYSCORE z 0 1 FOO', SYNTAX],
      ]))

    it('ranges by member', () =>
      check(use(), [
        ['ZADD z 0 a 0 b 0 c 0 ca 0 d', 5],
        ['ZRANGE z - + BYLEX', ['a', 'b', 'c', 'ca', 'd']],
        ['ZRANGE z [b (d BYLEX', ['b', 'c', 'ca']],
        ['ZRANGE z (b [c BYLEX', ['c']],
        ['ZRANGE z [c + BYLEX', ['c', 'ca', 'd']],
        ['ZRANGE z + - BYLEX', []],
        ['ZRANGE z [b + BYLEX LIMIT 0 2', ['b', 'c']],
        ['ZRANGE z + [b BYLEX REV', ['d', 'ca', 'c', 'b']],
        ['ZRANGE z (ca - LIMIT 1 2 REV BYLEX', ['b', 'a']],
        ['ZRANGE z 0 -1 BYLEX', BAD_MEMBER_BOUND],
        [
          'ZRANGE z - + BYLEX WITHSCORES',
          refused('ERR syntax error, WITHSCORES not supported in combination with BYLEX'),
        ],
      ]))

    it('pops the lowest, and vanishes with the last member', () =>
      check(use(), [
        ['ZADD z 2 b 3 c 4 d 5 e', 4],
        ['ZPOPMIN z', ['b', '2']],
        ['ZPOPMIN z 2', ['c', '3', 'd', '4']],
        ['ZPOPMIN z 0', []],
        ['ZPOPMIN z -1', refused('ERR value is out of range, must be positive')],
        ['ZPOPMIN z 9', ['e', '5']],
        ['EXISTS z', 0],
        ['ZPOPMIN z', []],
      ]))
  })
}

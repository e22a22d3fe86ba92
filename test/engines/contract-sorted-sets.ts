/** The part of the contract about sorted sets. */
import { describe, expect, it } from 'vitest'
import { arity, check, NOT_INTEGER, refused, result, SYNTAX, type Use } from './steps.ts'

const NOT_FLOAT = refused('ERR value is not a valid float')
const BAD_BORDER = refused('ERR min or max is not a float')
const BAD_MEMBER_BORDER = refused('ERR min or max not valid string range item')

export function sortedSetContract(use: Use): void {
  describe('sorted sets', () => {
    it('adds, moves and removes members', () =>
      check(use(), [
        ['ZADD z 2 b 1 a', 2],
        ['ZADD z 3 a 4 c', 1],
        ['ZADD z CH 3 a 5 c', 1],
        ['ZCARD z', 3],
        ['ZSCORE z a', '3'],
        ['ZSCORE z none', null],
        ['ZSCORE none a', null],
        ['ZMSCORE z a none c', ['3', null, '5']],
        ['ZMSCORE none a b', [null, null]],
        ['ZRANK z b', 0],
        ['ZRANK z c', 2],
        ['ZRANK z none', null],
        ['ZRANK none a', null],
        ['ZREM z a none', 1],
        ['ZREM z b c', 2],
        ['EXISTS z', 0],
        ['ZREM z b', 0],
        ['ZCARD z', 0],
      ]))

    it('applies the conditions of ZADD', () =>
      check(use(), [
        ['ZADD z XX 1 a', 0],
        ['EXISTS z', 0],
        ['ZADD z NX 1 a', 1],
        ['ZADD z NX 5 a', 0],
        ['ZADD z GT CH 0 a 3 b', 1],
        ['ZADD z GT CH 2 a 3 b', 1],
        ['ZADD z LT CH 1 a 9 b', 1],
        ['ZMSCORE z a b', ['1', '3']],
        ['ZADD z XX CH 4 a 4 none', 1],
        ['ZADD z INCR 2 a', '6'],
        ['ZADD z INCR 2 fresh', '2'],
        ['ZADD z NX INCR 2 a', null],
        ['ZADD z GT INCR -1 a', null],
        ['ZINCRBY z 1.5 a', '7.5'],
        ['ZINCRBY z -1 fresher', '-1'],
      ]))

    it('refuses what ZADD cannot combine or read, and then adds nothing', () =>
      check(use(), [
        ['ZADD z x a', NOT_FLOAT],
        ['ZADD z nan a', NOT_FLOAT],
        ['ZADD z 1 a x b', NOT_FLOAT],
        [['ZADD', 'z', '', 'a'], NOT_FLOAT],
        [['ZADD', 'z', ' 1', 'a'], NOT_FLOAT],
        ['ZINCRBY z x a', NOT_FLOAT],
        ['ZADD z 1', arity('zadd')],
        ['ZADD z 1 a 2', SYNTAX],
        ['ZADD z NX XX 1 a', refused('ERR XX and NX options at the same time are not compatible')],
        [
          'ZADD z GT LT 1 a',
          refused('ERR GT, LT, and/or NX options at the same time are not compatible'),
        ],
        [
          'ZADD z INCR 1 a 2 b',
          refused('ERR INCR option supports a single increment-element pair'),
        ],
        ['EXISTS z', 0],
        ['ZADD z inf a', 1],
        ['ZINCRBY z -inf a', refused('ERR resulting score is not a number (NaN)')],
        ['ZSCORE z a', 'inf'],
      ]))

    it('prints scores as Redis does', async () => {
      await check(use(), [
        ['ZADD z 1 a 1.5 b -3 c 1e3 d 1e16 e 1e17 f 1e20 g inf h -inf i 0x10 j -0.25 k', 11],
        ['ZMSCORE z a b c d', ['1', '1.5', '-3', '1000']],
        ['ZMSCORE z e f g', ['10000000000000000', '1e+17', '1e+20']],
        ['ZMSCORE z h i j k', ['inf', '-inf', '16', '-0.25']],
        ['ZADD z 9007199254740991 max 1785000000123 time', 2],
        ['ZMSCORE z max time', ['9007199254740991', '1785000000123']],
        ['ZADD z 0.1 tenth 1.5e-7 small', 2],
      ])
      const [tenth, small] = (await result(use(), 'ZMSCORE', 'z', 'tenth', 'small')) as string[]
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
        ['ZRANGEBYSCORE z -inf (2 WITHSCORES', ['a', '1']],
        ['ZRANGEBYSCORE z -inf inf LIMIT 1 2', ['b', 'c']],
        ['ZRANGEBYSCORE z -inf inf LIMIT 2 -1', ['c', 'd']],
        ['ZRANGEBYSCORE z -inf inf LIMIT -1 2', []],
        ['ZRANGEBYSCORE z 3 2', []],
        ['ZREVRANGEBYSCORE z 3 2', ['d', 'c', 'b']],
        ['ZREVRANGEBYSCORE z +inf -inf LIMIT 0 1', ['d']],
        ['ZRANGE z 2 inf BYSCORE', ['b', 'c', 'd']],
        ['ZRANGE z inf (1 BYSCORE REV LIMIT 1 2 WITHSCORES', ['c', '2', 'b', '2']],
        ['ZCOUNT z 2 2', 2],
        ['ZCOUNT z (1 inf', 3],
        ['ZCOUNT none 0 1', 0],
        ['ZRANGEBYSCORE z x 1', BAD_BORDER],
        ['ZCOUNT z 0 x', BAD_BORDER],
        ['ZRANGE z 0 x BYSCORE', BAD_BORDER],
        ['ZRANGEBYSCORE z 0 1 LIMIT 1', SYNTAX],
        ['ZRANGEBYSCORE z 0 1 FOO', SYNTAX],
        ['ZRANGE z 0 1 BYSCORE LIMIT x 1', NOT_INTEGER],
        ['ZRANGE z 0 1 BYSCORE BYLEX', SYNTAX],
      ]))

    it('ranges by member', () =>
      check(use(), [
        ['ZADD z 0 a 0 b 0 c 0 ca 0 d', 5],
        ['ZRANGEBYLEX z - +', ['a', 'b', 'c', 'ca', 'd']],
        ['ZRANGEBYLEX z [b (d', ['b', 'c', 'ca']],
        ['ZRANGEBYLEX z (b [c', ['c']],
        ['ZRANGEBYLEX z [c +', ['c', 'ca', 'd']],
        ['ZRANGEBYLEX z + -', []],
        ['ZRANGEBYLEX z - + LIMIT 1 2', ['b', 'c']],
        ['ZRANGE z [b + BYLEX LIMIT 0 2', ['b', 'c']],
        ['ZRANGE z + [b BYLEX REV', ['d', 'ca', 'c', 'b']],
        ['ZRANGEBYLEX z a b', BAD_MEMBER_BORDER],
        ['ZRANGE z 0 -1 BYLEX', BAD_MEMBER_BORDER],
        [
          'ZRANGE z - + BYLEX WITHSCORES',
          refused('ERR syntax error, WITHSCORES not supported in combination with BYLEX'),
        ],
      ]))

    it('removes by score and pops the lowest', () =>
      check(use(), [
        ['ZADD z 1 a 2 b 3 c 4 d 5 e', 5],
        ['ZREMRANGEBYSCORE z -inf (2', 1],
        ['ZREMRANGEBYSCORE z 10 20', 0],
        ['ZREMRANGEBYSCORE none 0 1', 0],
        ['ZREMRANGEBYSCORE z x 1', BAD_BORDER],
        ['ZPOPMIN z', ['b', '2']],
        ['ZPOPMIN z 2', ['c', '3', 'd', '4']],
        ['ZPOPMIN z 0', []],
        ['ZPOPMIN z -1', refused('ERR value is out of range, must be positive')],
        ['ZPOPMIN z 9', ['e', '5']],
        ['EXISTS z', 0],
        ['ZPOPMIN z', []],
        ['ZADD z 1 a', 1],
        ['ZREMRANGEBYSCORE z 1 1', 1],
        ['EXISTS z', 0],
      ]))
  })
}

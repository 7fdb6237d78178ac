// Random bits: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011) over
// the algebra, so that the interpreter and generated code draw the same words.
//
// Element e of random_bits(seed, step) of key k: the generator's key is RandomKey(seed, k), low and high word; its
// counter is (e / 4 low, e / 4 high, step low, step high) for i32, which takes word e mod 4, and (e / 2 …) for i64,
// which takes words 2 (e mod 2) as its low and the following one as its high half.
//
// P is a policy of 64-bit integers; a word is an I<P> in [0, 2^32).
#pragma once

#include <array>

#include "ir/algebra.h"

namespace gradus::ir {

// A bijection on 64 bits whose outputs look independent (the finaliser of SplitMix64: Steele, Lea and Flood, 2014).
template <typename P>
I<P> MixBits(I<P> x) {
  x = (x ^ ShiftRightLogical(x, 30)) * I<P>(static_cast<int64_t>(0xbf58476d1ce4e5b9));
  x = (x ^ ShiftRightLogical(x, 27)) * I<P>(static_cast<int64_t>(0x94d049bb133111eb));
  return x ^ ShiftRightLogical(x, 31);
}

// The key of the generator for the seed of a run and the printed key of a statement.
template <typename P>
I<P> RandomKey(I<P> seed, I<P> key) {
  const I<P> odd = static_cast<int64_t>(0x9e3779b97f4a7c15);  // 2^64 / golden ratio
  return MixBits(MixBits(seed + odd) ^ (key * odd));
}

// One round on the words c under the key words k0 and k1; the next round has the keys of NextPhiloxKey.
template <typename P>
std::array<I<P>, 4> PhiloxRound(const std::array<I<P>, 4>& c, I<P> k0, I<P> k1) {
  const I<P> low = int64_t{0xffffffff};
  const I<P> first = c[0] * I<P>(int64_t{0xd2511f53});
  const I<P> second = c[2] * I<P>(int64_t{0xcd9e8d57});
  return {ShiftRightLogical(second, 32) ^ c[1] ^ k0, second & low, ShiftRightLogical(first, 32) ^ c[3] ^ k1,
          first & low};
}
template <typename P>
std::array<I<P>, 2> NextPhiloxKey(I<P> k0, I<P> k1) {
  const I<P> low = int64_t{0xffffffff};
  return {(k0 + I<P>(int64_t{0x9e3779b9})) & low, (k1 + I<P>(int64_t{0xbb67ae85})) & low};
}

inline constexpr int kPhiloxRounds = 10;

template <typename P>
std::array<I<P>, 4> Philox(I<P> key, I<P> step, I<P> counter) {
  const I<P> low = int64_t{0xffffffff};
  std::array<I<P>, 4> c = {counter & low, ShiftRightLogical(counter, 32), step & low, ShiftRightLogical(step, 32)};
  std::array<I<P>, 2> k = {key & low, ShiftRightLogical(key, 32)};
  for (int round = 0; round < kPhiloxRounds; ++round) {
    c = PhiloxRound(c, k[0], k[1]);
    k = NextPhiloxKey(k[0], k[1]);
  }
  return c;
}

}  // namespace gradus::ir

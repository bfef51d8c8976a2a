//! RSA keys of a library that made weak primes (CVE-2017-15361, "ROCA").
//!
//! Its primes are `k * M + (65537^a mod M)` for a product `M` of small primes, so the modulus of such a key is a power of 65537
//! modulo each of these primes. That is the published fingerprint: whoever has the modulus can factor it.

/// The primes modulo which the powers of 65537 are not all numbers: the others tell nothing.
const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

const GENERATOR: u32 = 65537;

/// Whether a big-endian modulus has the fingerprint. Of other moduli one in 140 million has it.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let remainder = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        is_power_of_generator(remainder, *prime)
    })
}

fn is_power_of_generator(remainder: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == remainder {
            return true;
        }
        power = power * (GENERATOR % prime) % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 65537 to the power of 128, of 2,049 bits: it has the form with `k = 0`.
    pub(crate) fn power_of_the_generator() -> Vec<u8> {
        let mut number = vec![1_u8];
        for _ in 0..128 {
            let mut product = vec![0_u32; number.len() + 3];
            for (place, byte) in number.iter().rev().enumerate() {
                product[place] += u32::from(*byte);
                product[place + 2] += u32::from(*byte);
            }
            for place in 0..product.len() - 1 {
                let carry = product[place] >> 8;
                product[place] &= 0xff;
                product[place + 1] += carry;
            }
            number = product.iter().rev().map(|digit| *digit as u8).skip_while(|digit| *digit == 0).collect();
        }
        number
    }

    #[test]
    fn powers_of_the_generator_are_found_and_their_neighbours_are_not() {
        let modulus = power_of_the_generator();
        assert_eq!((modulus.len(), modulus[0]), (257, 1));
        assert!(has_fingerprint(&modulus));
        for change in [2, 4, 6, 8, 10] {
            let mut other = modulus.clone();
            *other.last_mut().unwrap() = other.last().unwrap().wrapping_add(change);
            assert!(!has_fingerprint(&other), "{change}");
        }
    }

    /// By how many remainders pass for each prime.
    #[test]
    fn few_other_moduli_have_it() {
        let chance: f64 = PRIMES
            .iter()
            .map(|prime| {
                let powers = (1..*prime).filter(|rest| is_power_of_generator(*rest, *prime)).count();
                assert!(powers < *prime as usize - 1, "{prime} tells nothing");
                powers as f64 / f64::from(*prime - 1)
            })
            .product();
        assert!(chance < 1.0 / 140e6, "{}", 1.0 / chance);
    }
}

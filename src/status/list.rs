//! A list at hand: many statuses in one piece of memory.

use serde::Deserialize;

/// A status list: one value for each token, of 1, 2, 4 or 8 bits.
pub(super) struct StatusList {
    bits: Bits,
    bytes: Box<[u8]>,
}

/// How many bits a status has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(super) enum Bits {
    One,
    Two,
    Four,
    Eight,
}

impl TryFrom<u64> for Bits {
    type Error = &'static str;

    fn try_from(bits: u64) -> Result<Self, &'static str> {
        match bits {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            4 => Ok(Self::Four),
            8 => Ok(Self::Eight),
            _ => Err("`bits` is not 1, 2, 4 or 8"),
        }
    }
}

impl Bits {
    /// The binary logarithm of how many statuses are in a byte.
    const fn shift(self) -> u32 {
        match self {
            Self::One => 3,
            Self::Two => 2,
            Self::Four => 1,
            Self::Eight => 0,
        }
    }
}

impl StatusList {
    pub(super) const fn new(bits: Bits, bytes: Box<[u8]>) -> Self {
        Self { bits, bytes }
    }

    /// The status of the token with this index; `None` if it is not in the list.
    ///
    /// The first one is in the lowest bits of the first byte.
    pub(super) fn get(&self, index: u64) -> Option<u8> {
        let shift = self.bits.shift();
        let byte = *self.bytes.get(usize::try_from(index >> shift).ok()?)?;
        let (width, position) = (8 >> shift, index & ((1 << shift) - 1));
        Some((byte >> (position as u32 * width)) & (0xff >> (8 - width)))
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bits: u64, bytes: &[u8]) -> StatusList {
        StatusList::new(bits.try_into().unwrap(), bytes.into())
    }

    #[test]
    fn the_first_is_in_the_lowest_bits() {
        // Token Status List, sections 4.1 and 4.2.
        let one = list(1, &[0xb9, 0xa3]);
        let expected = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1];
        let read: Vec<_> = (0..16).map(|index| one.get(index).unwrap()).collect();
        assert_eq!(read, expected);
        let two = list(2, &[0xc9, 0x44, 0xf9]);
        let read: Vec<_> = (0..12).map(|index| two.get(index).unwrap()).collect();
        assert_eq!(read, [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
        let four = list(4, &[0x1f, 0xa0]);
        assert_eq!((0..4).map(|index| four.get(index).unwrap()).collect::<Vec<_>>(), [0xf, 1, 0, 0xa]);
        let eight = list(8, &[7, 255]);
        assert_eq!((eight.get(0), eight.get(1)), (Some(7), Some(255)));
    }

    #[test]
    fn what_is_not_in_it_has_no_status() {
        for (bits, entries) in [(1, 24), (2, 12), (4, 6), (8, 3)] {
            let list = list(bits, &[0xff; 3]);
            assert_eq!(list.get(entries - 1), Some(((1_u16 << bits) - 1) as u8), "{bits}");
            for index in [entries, entries + 1, u64::from(u32::MAX), 1 << 61, u64::MAX] {
                assert_eq!(list.get(index), None, "{bits} {index}");
            }
        }
        assert_eq!(list(1, &[]).get(0), None);
    }

    #[test]
    fn there_are_four_widths() {
        for bits in (0..300).filter(|bits| ![1, 2, 4, 8].contains(bits)) {
            assert!(Bits::try_from(bits).is_err(), "{bits}");
        }
    }
}

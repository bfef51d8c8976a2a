//! Bounded decompression: a few kilobytes can stand for gigabytes.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Why bytes cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    TooLong,
    /// It ends too early, is no DEFLATE, or its checksum is wrong.
    Damaged,
    /// Something follows it.
    Trailing,
}

/// Room that is made first; it grows as the output does, so that nobody has to be believed how much it will be.
const FIRST_ROOM: usize = 4096;

/// The bytes that were compressed in the ZLIB format (RFC 1950).
///
/// # Errors
/// If they are more than `most`, or `compressed` is not exactly one stream.
pub(super) fn inflate(compressed: &[u8], most: usize) -> Result<Box<[u8]>, InflateError> {
    let flags =
        TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_COMPUTE_ADLER32;
    let mut decompressor = Box::<DecompressorOxide>::default();
    let (mut output, mut read, mut written) = (vec![0; FIRST_ROOM.min(most)], 0, 0);
    loop {
        let rest = compressed.get(read..).unwrap_or_default();
        let (status, read_now, written_now) =
            decompress(&mut decompressor, rest, &mut output, written, flags);
        read += read_now;
        written += written_now;
        match status {
            TINFLStatus::Done if read < compressed.len() => return Err(InflateError::Trailing),
            TINFLStatus::Done => {
                output.truncate(written);
                return Ok(output.into_boxed_slice());
            }
            TINFLStatus::HasMoreOutput if output.len() < most => {
                output.resize(output.len().saturating_mul(2).min(most), 0);
            }
            TINFLStatus::HasMoreOutput => return Err(InflateError::TooLong),
            _ => return Err(InflateError::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec_zlib;

    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        for length in [0, 1, 4095, 4096, 4097, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            for level in [0, 1, 9] {
                let compressed = compress_to_vec_zlib(&bytes, level);
                assert_eq!(inflate(&compressed, 100_000).unwrap()[..], bytes[..], "{length} {level}");
            }
        }
    }

    #[test]
    fn the_bound_is_exact_and_a_bomb_stops_there() {
        let bytes = vec![0; 10_000];
        let compressed = compress_to_vec_zlib(&bytes, 9);
        assert_eq!(inflate(&compressed, 10_000).unwrap().len(), 10_000);
        assert_eq!(inflate(&compressed, 9_999), Err(InflateError::TooLong));
        assert_eq!(inflate(&compressed, 0), Err(InflateError::TooLong));
        let bomb = compress_to_vec_zlib(&vec![0; 64 * 1024 * 1024], 9);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        assert_eq!(inflate(&bomb, 4096), Err(InflateError::TooLong));
    }

    #[test]
    fn it_is_one_whole_stream_and_nothing_else() {
        let bytes: Vec<u8> = (0..2000_u32).map(|at| (at * at % 256) as u8).collect();
        let compressed = compress_to_vec_zlib(&bytes, 6);
        for end in 0..compressed.len() {
            assert_eq!(inflate(&compressed[..end], 10_000), Err(InflateError::Damaged), "{end}");
        }
        for trailing in [&b"\0"[..], &[0xff; 9], &compressed.clone()] {
            let more = [&compressed[..], trailing].concat();
            assert_eq!(inflate(&more, 10_000), Err(InflateError::Trailing));
        }
        let mut wrong = compressed.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(inflate(&wrong, 10_000), Err(InflateError::Damaged), "the checksum");
        // Without the header of ZLIB, and with that of gzip.
        assert_eq!(inflate(&compressed[2..], 10_000), Err(InflateError::Damaged));
        assert_eq!(inflate(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0], 10_000), Err(InflateError::Damaged));
    }
}

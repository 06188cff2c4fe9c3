//! A short number for a text of any length, the same in every version of this program.

/// FNV-1a: the standard hasher promises no sameness. Not for what somebody might want to forge.
pub fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

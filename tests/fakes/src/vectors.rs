//! Embedding vectors that depend on nothing but the text.
//!
//! Tests compare vectors from several servers and runs, so the same text must give the same vector everywhere.

/// A vector of `dimensions` numbers for `text`, of length one.
pub(crate) fn embed(text: &str, dimensions: usize) -> Vec<f32> {
    let mut state = hash(text);
    let mut vector: Vec<f32> = (0..dimensions)
        .map(|_| {
            state = scramble(state);
            // 24 bits: what an f32 holds without rounding.
            ((state >> 40) as f32 / (1u32 << 23) as f32) - 1.0
        })
        .collect();
    normalise(&mut vector);
    vector
}

/// Scales `vector` to length one; a vector of zeros stays as it is.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

/// 64 hexadecimal digits that stand for a SHA-256 of `text`; only equality matters to who reads them.
pub(crate) fn digest(text: &str) -> String {
    let mut state = hash(text);
    (0..4)
        .map(|_| {
            state = scramble(state);
            format!("{state:016x}")
        })
        .collect()
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// One step of SplitMix64.
fn scramble(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_and_depend_on_the_text_alone() {
        let vector = embed("why is the sky blue?", 16);
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "length squared is {length}");
        assert_eq!(vector, embed("why is the sky blue?", 16));
        assert_ne!(vector, embed("why is the sea blue?", 16));
    }

    #[test]
    fn digests_look_like_sha256() {
        let digest = digest("llama3.2:latest");
        assert_eq!(digest.len(), 64);
        assert!(digest.chars().all(|c| c.is_ascii_hexdigit()));
    }
}

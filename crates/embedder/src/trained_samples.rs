//! The samples that a model was trained on, as digests, so that a run that starts from its weights notices them in its evaluation set.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Hexadecimal digits of a digest.
const DIGITS: usize = 8;

/// Most digests in a model file: with eight digits each they take 16 MiB of its header, which is limited to 100 MB.
const MOST: usize = 2 << 20;

/// The digests of the training samples of a model and of the models that it started from: 32 bits for each, as a text of hexadecimal digits
/// in files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainedSamples {
    /// Sorted, without duplicates.
    digests: Vec<u32>,
}

impl TrainedSamples {
    /// Samples with these digests.
    pub fn new(digests: impl IntoIterator<Item = u32>) -> Self {
        let mut digests: Vec<u32> = digests.into_iter().collect();
        digests.sort_unstable();
        digests.dedup();
        Self { digests }
    }

    /// The samples of both.
    #[must_use]
    pub fn with(&self, more: &Self) -> Self {
        Self::new(self.digests.iter().chain(&more.digests).copied())
    }

    /// Whether a sample with this digest is one of them. Another sample has the digest of one of `n` by chance with a probability of `n / 2^32`.
    pub fn contains(&self, digest: u32) -> bool {
        self.digests.binary_search(&digest).is_ok()
    }

    /// Number of different digests.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Whether they are few enough for the header of a model file.
    pub fn fits_a_file(&self) -> bool {
        self.digests.len() <= MOST
    }
}

impl Serialize for TrainedSamples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: Vec<String> = self.digests.iter().map(|digest| format!("{digest:08x}")).collect();
        let text = text.concat();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for TrainedSamples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digests = text.as_bytes().chunks(DIGITS).map(|digits| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == DIGITS)?;
            digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
            u32::from_str_radix(digits, 16).ok()
        });
        let digests: Option<Vec<u32>> = digests.collect();
        let digests = digests.ok_or_else(|| {
            de::Error::custom(format!(
                "found digests of training samples that are not {DIGITS} hexadecimal digits each"
            ))
        })?;
        Ok(Self::new(digests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_read_back_and_broken_ones_are_refused() {
        let samples = TrainedSamples::new([7, 0xffff_ffff, 0, 7]);
        let text = serde_json::to_string(&samples).expect("text");
        assert_eq!(text, "\"0000000000000007ffffffff\"");
        assert_eq!(serde_json::from_str::<TrainedSamples>(&text).expect("its own"), samples);
        assert_eq!([0, 7, 8, u32::MAX].map(|digest| samples.contains(digest)), [true, true, false, true]);
        assert_eq!(samples.with(&TrainedSamples::new([8, 7])).len(), 4);
        for text in ["\"0000000\"", "\"00000000+0000001\"", "\"0000000é\"", "3"] {
            assert!(serde_json::from_str::<TrainedSamples>(text).is_err(), "{text}");
        }
    }
}

//! Many durations, to a 64th of each, and their quantiles.

/// 64 buckets for each power of two.
const PARTS: u32 = 6;

#[derive(Clone, Default)]
pub struct Times {
    buckets: Vec<u64>,
    count: u64,
    worst: u64,
}

impl Times {
    pub fn add(&mut self, nanoseconds: u64) {
        let bucket = Self::bucket(nanoseconds);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.worst = self.worst.max(nanoseconds);
    }

    fn bucket(value: u64) -> usize {
        let power = value.max(1).ilog2();
        if power < PARTS {
            return value as usize;
        }
        (((power - PARTS + 1) << PARTS) as u64 + ((value >> (power - PARTS)) & ((1 << PARTS) - 1))) as usize
    }

    fn middle(bucket: usize) -> f64 {
        let (power, part) = ((bucket >> PARTS) as i32, (bucket & ((1 << PARTS) - 1)) as f64);
        if power == 0 { part } else { (64.5 + part) * 2f64.powi(power - 1) }
    }

    pub const fn count(&self) -> u64 {
        self.count
    }

    /// In seconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut left = (self.count as f64 * share).ceil() as u64;
        for (bucket, count) in self.buckets.iter().enumerate() {
            left = left.saturating_sub(*count);
            if left == 0 {
                return Self::middle(bucket).min(self.worst as f64) / 1e9;
            }
        }
        self.worst()
    }

    /// In seconds.
    pub fn worst(&self) -> f64 {
        self.worst as f64 / 1e9
    }
}

//! Many measurements of one thing.

/// In nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    pub fn add(&mut self, nanos: u64) {
        self.0.push(nanos);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Half of them are no longer than this.
    pub fn p50(&self) -> Nanos {
        self.quantile(0.50)
    }

    pub fn p95(&self) -> Nanos {
        self.quantile(0.95)
    }

    pub fn p99(&self) -> Nanos {
        self.quantile(0.99)
    }

    pub fn most(&self) -> Nanos {
        self.quantile(1.0)
    }

    fn quantile(&self, part: f64) -> Nanos {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        Nanos(sorted.get((last as f64 * part).round() as usize).copied().unwrap_or(0) as f64)
    }
}

impl FromIterator<u64> for Samples {
    fn from_iter<I: IntoIterator<Item = u64>>(samples: I) -> Samples {
        Samples(samples.into_iter().collect())
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Nanos(f64);

impl Nanos {
    pub fn micros(self) -> f64 {
        self.0 / 1e3
    }

    pub fn millis(self) -> f64 {
        self.0 / 1e6
    }
}

/// The middle one of some rounds.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

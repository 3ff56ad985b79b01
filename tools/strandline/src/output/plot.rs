//! Pictures made of characters, and the histograms that they are made from.

/// Eighths of a line, from the bottom.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar for each value, the largest as high as the line; nothing for nothing.
pub(crate) fn spark(values: &[u64]) -> String {
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let bar = |&value: &u64| match value {
        0 => ' ',
        value => BARS[((u128::from(value) * 8).div_ceil(u128::from(most)) as usize - 1).min(7)],
    };
    values.iter().map(bar).collect()
}

/// So many values of as many or more: each is the sum of its neighbours.
pub(crate) fn squeeze(values: &[u64], to: usize) -> Vec<u64> {
    if values.len() <= to || to == 0 {
        return values.to_vec();
    }
    let edge = |number: usize| number * values.len() / to;
    (0..to).map(|number| values[edge(number)..edge(number + 1)].iter().sum()).collect()
}

/// How many values of each size there are: 8 steps for each power of two, so that a percentile is
/// known to within 9 %.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    steps: Vec<u64>,
    pub(crate) count: u64,
    pub(crate) sum: u64,
    pub(crate) most: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, value: u64) {
        let step = step_of(value);
        if self.steps.len() <= step {
            self.steps.resize(step + 1, 0);
        }
        self.steps[step] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.most = self.most.max(value);
    }

    /// The value that so many of a thousand do not exceed.
    pub(crate) fn permille(&self, permille: u64) -> u64 {
        let wanted = (u128::from(self.count) * u128::from(permille)).div_ceil(1000).max(1) as u64;
        let mut seen = 0;
        for (step, &count) in self.steps.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return top_of(step).min(self.most);
            }
        }
        self.most
    }

    pub(crate) fn average(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// How many there are for each power of two, from the first to the last that has any; and the
    /// least value of the first.
    pub(crate) fn octaves(&self) -> (u64, Vec<u64>) {
        let octaves: Vec<u64> = self.steps.chunks(8).map(|steps| steps.iter().sum()).collect();
        let Some(first) = octaves.iter().position(|&count| count > 0) else {
            return (0, Vec::new());
        };
        (if first == 0 { 0 } else { 1 << (first + 2) }, octaves[first..].to_vec())
    }
}

/// Values up to 7 have a step each; then there are 8 for each power of two.
fn step_of(value: u64) -> usize {
    if value < 8 {
        return value as usize;
    }
    let octave = 63 - value.leading_zeros() as usize;
    (octave - 2) * 8 + (value >> (octave - 3) & 7) as usize
}

/// The largest value of a step.
fn top_of(step: usize) -> u64 {
    if step < 8 {
        return step as u64;
    }
    let (octave, part) = (step / 8 + 2, (step % 8) as u64);
    let next = (u128::from(8 + part) + 1) << (octave - 3);
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_the_step_whose_top_is_next() {
        for value in (0..5000).chain([u64::MAX, u64::MAX / 3, 1 << 40]) {
            let step = step_of(value);
            assert!(top_of(step) >= value, "{value}");
            assert!(step == 0 || top_of(step - 1) < value, "{value}");
        }
    }

    #[test]
    fn percentiles_are_near_and_the_largest_is_exact() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.add(value));
        let half = histogram.permille(500);
        assert!((500..=550).contains(&half), "{half}");
        assert_eq!((histogram.permille(1000), histogram.most), (1000, 1000));
        assert_eq!(Histogram::default().permille(500), 0);
    }

    #[test]
    fn bars_are_as_high_as_their_share_and_nothing_is_a_space() {
        assert_eq!(spark(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(spark(&[]), "");
        assert_eq!(squeeze(&[1, 2, 3, 4, 5], 2), [3, 12]);
        assert_eq!(squeeze(&[1, 2], 5), [1, 2]);
    }
}

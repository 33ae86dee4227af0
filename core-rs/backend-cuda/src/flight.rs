//! What a step that was begun will give, row by row, and where its results lie.

use tgi_backend::{Batch, Draw, Drawn, Peak, RankedToken};
use tgi_cuda_kernels::signatures::{DevicePeak, DeviceSample, DeviceTop};

/// Draws that have seen more tokens get their logits instead: it is the request's own doing, so that
/// no company changes where its tokens are drawn.
pub(crate) const MOST_SEEN: usize = 1024;

/// How a wanted row comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowResult {
    Logits,
    Peak,
    /// By number of the draw, and of the list of best tokens if it has one.
    Drawn {
        draw: usize,
        tops: Option<(usize, usize)>,
    },
}

/// Where the parts of what comes back in one copy begin, bytes: peaks at 0, samples, best tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub samples: usize,
    pub tops: usize,
    pub end: usize,
}

impl Places {
    /// For steps of up to `rows` wanted rows.
    pub fn new(rows: usize) -> Self {
        let samples = rows * size_of::<DevicePeak>();
        let tops = samples + rows * size_of::<DeviceSample>();
        let end = tops + rows * Draw::MOST_TOP as usize * size_of::<DeviceTop>();
        Self { samples, tops, end }
    }
}

/// A step that was begun. Its vectors keep their memory.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub rows: Vec<RowResult>,
    /// Rows that are drawn.
    pub draws: usize,
    /// Rows whose best tokens are wanted.
    pub lists: usize,
    /// Best tokens of each list: the most that one of them wants.
    pub list_length: usize,
}

impl Flight {
    /// Memory for `rows` wanted rows.
    pub fn new(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows), ..Self::default() }
    }

    /// Whether a draw is made on the device.
    pub fn takes(draw: &Draw) -> bool {
        draw.seen.len() <= MOST_SEEN
    }

    /// Takes what a checked batch wants.
    pub fn plan(&mut self, batch: &Batch) {
        self.rows.clear();
        self.rows.resize(batch.logit_rows.len(), RowResult::Logits);
        (self.draws, self.lists, self.list_length) = (0, 0, 0);
        for &row in &batch.peak_rows {
            self.rows[row as usize] = RowResult::Peak;
        }
        for draw in batch.draws.iter().filter(|draw| Self::takes(draw)) {
            let top = draw.top as usize;
            let tops = (top > 0).then_some((self.lists, top));
            self.rows[draw.row as usize] = RowResult::Drawn { draw: self.draws, tops };
            self.draws += 1;
            self.lists += usize::from(top > 0);
            self.list_length = self.list_length.max(top);
        }
    }

    /// The first rows of which logits are copied: up to the last that wants them.
    pub fn logits(&self) -> usize {
        let is_chosen = |row: &&RowResult| **row != RowResult::Logits;
        self.rows.len() - self.rows.iter().rev().take_while(is_chosen).count()
    }

    /// Bytes to copy for all else.
    pub fn chosen_bytes(&self, places: &Places) -> usize {
        if self.lists > 0 {
            places.tops + self.lists * self.list_length * size_of::<DeviceTop>()
        } else if self.draws > 0 {
            places.samples + self.draws * size_of::<DeviceSample>()
        } else if self.rows.contains(&RowResult::Peak) {
            self.rows.len() * size_of::<DevicePeak>()
        } else {
            0
        }
    }
}

/// What was chosen in a step, one entry a row. Its vectors keep their memory.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub peaks: Vec<Option<Peak>>,
    pub drawn: Vec<Option<Drawn>>,
    pub tops: Vec<RankedToken>,
}

impl Chosen {
    /// Memory for `rows` wanted rows.
    pub fn new(rows: usize) -> Self {
        Self {
            peaks: Vec::with_capacity(rows),
            drawn: Vec::with_capacity(rows),
            tops: Vec::with_capacity(rows * Draw::MOST_TOP as usize),
        }
    }

    /// Reads what came back of a step.
    pub fn read(&mut self, flight: &Flight, places: &Places, bytes: &[u8]) {
        self.peaks.clear();
        self.drawn.clear();
        self.tops.clear();
        for (row, result) in flight.rows.iter().enumerate() {
            let peak = match result {
                RowResult::Peak => Some(peak(records(bytes, 0, row))),
                _ => None,
            };
            self.peaks.push(peak);
            let drawn = match *result {
                RowResult::Drawn { draw, tops } => {
                    let sample = sample(records(bytes, places.samples, draw));
                    let first = self.tops.len();
                    if let Some((list, count)) = tops {
                        let list = list * flight.list_length;
                        let found = (list..list + count)
                            .map(|place| records::<2>(bytes, places.tops, place))
                            .map(|[id, logit]| (id, f32::from_bits(logit)))
                            .take_while(|(id, _)| *id != u32::MAX);
                        self.tops.extend(found.map(|(id, logit)| sample.ranked(id, logit)));
                    }
                    Some(Drawn { token: sample.token, top: first..self.tops.len() })
                }
                _ => None,
            };
            self.drawn.push(drawn);
        }
    }
}

/// Record `index`, of `WORDS` words, of those from byte `start` on.
fn records<const WORDS: usize>(bytes: &[u8], start: usize, index: usize) -> [u32; WORDS] {
    let first = start + index * WORDS * size_of::<u32>();
    let words = bytes[first..].as_chunks::<4>().0;
    std::array::from_fn(|word| u32::from_ne_bytes(words[word]))
}

fn double(low: u32, high: u32) -> f64 {
    f64::from_bits(u64::from(high) << 32 | u64::from(low))
}

/// Of a [`DevicePeak`].
fn peak([low, high, _max, id]: [u32; 4]) -> Peak {
    Peak { id, sum_exp: double(low, high) }
}

struct Sample {
    token: RankedToken,
    max: f32,
    log_sum: f64,
}

impl Sample {
    fn ranked(&self, id: u32, logit: f32) -> RankedToken {
        RankedToken { id, logprob: (f64::from(logit - self.max) - self.log_sum) as f32 }
    }
}

/// Of a [`DeviceSample`].
fn sample([low, high, max, logprob, id, _]: [u32; 6]) -> Sample {
    Sample {
        token: RankedToken { id, logprob: f32::from_bits(logprob) },
        max: f32::from_bits(max),
        log_sum: double(low, high).ln(),
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::cast_slice;

    use super::*;

    /// Rows: logits, a peak, two draws with lists, logits, a draw without.
    fn flight() -> Flight {
        let draw = |row, top| Draw { top, ..Draw::greedy(row, 0) };
        let seen = Draw { seen: 0..MOST_SEEN + 1, ..draw(4, 0) };
        let batch = Batch {
            logit_rows: (0..6).collect(),
            peak_rows: vec![1],
            draws: vec![draw(2, 1), draw(3, 3), seen, draw(5, 0)],
            ..Batch::default()
        };
        let mut flight = Flight::new(6);
        flight.plan(&batch);
        flight
    }

    #[test]
    fn rows_are_drawn_unless_they_have_seen_too_much() {
        let flight = flight();
        let drawn = |draw, tops| RowResult::Drawn { draw, tops };
        assert_eq!(
            flight.rows,
            [
                RowResult::Logits,
                RowResult::Peak,
                drawn(0, Some((0, 1))),
                drawn(1, Some((1, 3))),
                RowResult::Logits,
                drawn(2, None),
            ]
        );
        assert_eq!((flight.draws, flight.lists, flight.list_length, flight.logits()), (3, 2, 3, 5));
    }

    #[test]
    fn no_more_is_copied_than_was_chosen() {
        let places = Places::new(6);
        assert_eq!(flight().chosen_bytes(&places), places.tops + 2 * 3 * 8);
        let mut flight = Flight::new(2);
        let mut batch = Batch { logit_rows: vec![0, 1], ..Batch::default() };
        let mut bytes = |batch: &Batch| {
            flight.plan(batch);
            (flight.chosen_bytes(&places), flight.logits())
        };
        assert_eq!(bytes(&batch), (0, 2));
        batch.peak_rows.push(1);
        assert_eq!(bytes(&batch), (2 * 16, 1));
        batch.draws.push(Draw::greedy(0, 9));
        assert_eq!(bytes(&batch), (places.samples + 24, 0));
    }

    #[test]
    fn what_the_device_wrote_is_read_by_row() {
        let (flight, places) = (flight(), Places::new(6));
        let mut bytes = vec![0u8; places.end];
        let mut put = |at: usize, words: &[u32]| {
            bytes[at..at + 4 * words.len()].copy_from_slice(cast_slice(words));
        };
        let words = |value: f64| [value.to_bits() as u32, (value.to_bits() >> 32) as u32];
        let [low, high] = words(1.5);
        put(16, &[low, high, 0, 7]);
        let [low, high] = words(2.0);
        put(places.samples + 24, &[low, high, 3f32.to_bits(), (-0.5f32).to_bits(), 11, 0]);
        put(places.tops + 3 * 8, &[11, 2.5f32.to_bits(), 12, 1f32.to_bits(), u32::MAX, 0]);
        let mut chosen = Chosen::new(6);
        chosen.read(&flight, &places, &bytes);
        assert_eq!(chosen.peaks[1], Some(Peak { id: 7, sum_exp: 1.5 }));
        assert_eq!(chosen.peaks.iter().flatten().count(), 1);
        let drawn = chosen.drawn[3].clone().unwrap();
        assert_eq!(drawn.token, RankedToken { id: 11, logprob: -0.5 });
        let tops = &chosen.tops[drawn.top];
        let expected = [(11, -0.5), (12, -2.0)];
        assert_eq!(tops.len(), 2, "a row has no more possible tokens");
        for (top, (id, logit)) in tops.iter().zip(expected) {
            let logprob = (logit - 2f64.ln()) as f32;
            assert_eq!(*top, RankedToken { id, logprob });
        }
        assert_eq!((&chosen.drawn[0], &chosen.drawn[4]), (&None, &None));
    }
}

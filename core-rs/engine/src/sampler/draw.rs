use tgi_backend::{Draw, RankedToken, SeenToken};

use super::{Sampled, Sampler, Scratch};
use crate::Profile;

impl Sampler {
    /// Whether a [`Draw`] means what [`Self::sample`] does and [`Self::is_plain`] is not enough: it
    /// has penalties of one kind, which come before the warpers, and no other change of the row.
    pub fn is_drawable(&self) -> bool {
        self.drawable
    }

    /// Whether the next draw depends on the tokens accepted so far.
    pub fn counts_tokens(&self) -> bool {
        self.seen.is_active() || self.adjustments.counts_tokens()
    }

    /// Most entries that [`Self::draw`] ever adds to its `seen`.
    pub fn most_seen(&self) -> usize {
        self.seen.most().max(self.adjustments.most())
    }

    /// The choice of the token at `position` from wanted row `row`, where the sampler is drawable.
    /// The tokens that its penalties count are appended to `seen`.
    pub fn draw(&self, row: u32, position: u32, seen: &mut Vec<SeenToken>) -> Draw {
        let first = seen.len();
        let greedy = Draw { top: self.top_n as u32, ..Draw::greedy(row, position) };
        let mut draw = self.seen.penalize(self.adjustments.penalize(greedy));
        let counts = self.seen.counts().iter().chain(self.adjustments.counts());
        seen.extend(counts.map(|&(id, count)| SeenToken { id, count }));
        draw.seen = first..seen.len();
        if self.seed.is_some() {
            draw.seed = self.seed;
            draw.temperature = self.warpers.temperature.unwrap_or(1.0);
            draw.top_k = self.warpers.top_k.unwrap_or(0) as u32;
            draw.top_p = self.warpers.top_p.unwrap_or(1.0);
            draw.min_p = self.warpers.min_p.unwrap_or(0.0);
        }
        draw
    }

    /// What [`Self::sample`] does, from what came of the draw. Log-probabilities may differ from
    /// those of the row in their last bits.
    pub fn take_drawn(
        &self,
        token: RankedToken,
        top: &[RankedToken],
        scratch: &mut Scratch,
    ) -> Sampled {
        scratch.top.clear();
        scratch.top.extend(top.iter().copied().map(Sampled::from));
        token.into()
    }

    /// [`Self::is_drawable`] of a sampler without a least length.
    pub(super) fn can_draw(&self) -> bool {
        let penalized_last =
            self.seen.is_active() && self.seed.is_some() && self.profile == Profile::V0_3;
        // A draw has one list of tokens, and the two penalties count different ones.
        let counted_twice = self.seen.is_active() && self.adjustments.counts_tokens();
        !self.plain
            && !self.raw
            && self.top_n <= Draw::MOST_TOP as usize
            && !penalized_last
            && !counted_twice
            && !self.adjustments.has_bias()
            && self.watermark.is_none()
            && self.warpers.typical_p.is_none()
    }
}

impl From<RankedToken> for Sampled {
    fn from(token: RankedToken) -> Self {
        Self { id: token.id, logprob: token.logprob }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parameters, Watermark};

    fn sampler(parameters: &Parameters, profile: Profile) -> Sampler {
        Sampler::new(parameters, profile, &[4, 2, 4], 8, 7)
    }

    fn sampling() -> Parameters {
        Parameters { do_sample: true, ..Parameters::default() }
    }

    #[test]
    fn warpers_and_the_seed_are_told_where_it_samples_only() {
        let parameters = Parameters {
            temperature: Some(0.5),
            top_k: Some(3),
            top_p: Some(0.75),
            min_p: Some(0.25),
            top_n_tokens: 2,
            ..Parameters::default()
        };
        let draw = sampler(&parameters, Profile::V0_3).draw(5, 9, &mut Vec::new());
        let want = Draw {
            seed: Some(7),
            temperature: 0.5,
            top_k: 3,
            top_p: 0.75,
            min_p: 0.25,
            top: 2,
            ..Draw::greedy(5, 9)
        };
        assert_eq!(draw, want);
        let greedy = Parameters { top_n_tokens: 2, ..Parameters::default() };
        let draw = sampler(&greedy, Profile::V0_3).draw(0, 9, &mut Vec::new());
        assert_eq!(draw, Draw { top: 2, ..Draw::greedy(0, 9) });
    }

    #[test]
    fn penalties_come_with_the_tokens_that_they_count() {
        let seen_before = SeenToken { id: 1, count: 1 };
        let of = |parameters: &Parameters| {
            let mut sampler = sampler(parameters, Profile::V3_3);
            sampler.accept(3);
            let mut seen = vec![seen_before];
            let draw = sampler.draw(0, 4, &mut seen);
            assert!(sampler.is_drawable() && sampler.counts_tokens());
            assert!(seen.len() - 1 <= sampler.most_seen());
            let told = seen[draw.seen.clone()].iter().map(|seen| (seen.id, seen.count)).collect();
            (draw, told)
        };
        let mut parameters = Parameters { repetition_penalty: Some(1.5), ..sampling() };
        parameters.frequency_penalty = Some(0.5);
        let (draw, told): (Draw, Vec<(u32, u32)>) = of(&parameters);
        assert_eq!((draw.repetition, draw.frequency, draw.presence), (1.5, 0.125, 0.0));
        assert_eq!(told, [(2, 1), (3, 1), (4, 2)]);
        let mut parameters = Parameters { presence_penalty: Some(0.5), ..sampling() };
        parameters.openai_frequency_penalty = Some(0.25);
        let (draw, told) = of(&parameters);
        assert_eq!((draw.repetition, draw.frequency, draw.presence), (1.0, 0.25, 0.5));
        assert_eq!(told, [(3, 1)], "the prompt does not count");
    }

    #[test]
    fn what_a_draw_cannot_say_is_not_drawn() {
        let penalized = Parameters { repetition_penalty: Some(2.0), ..sampling() };
        assert!(!sampler(&penalized, Profile::V0_3).is_drawable(), "penalties after the warpers");
        assert!(sampler(&penalized, Profile::V3_3).is_drawable());
        let greedy = Parameters { do_sample: false, ..penalized.clone() };
        assert!(sampler(&greedy, Profile::V0_3).is_drawable(), "no warper");
        assert!(!sampler(&Parameters::default(), Profile::V0_3).is_drawable(), "its peak suffices");
        let others = [
            Parameters { typical_p: Some(0.5), ..sampling() },
            Parameters { raw_logprobs: true, ..sampling() },
            Parameters { logit_bias: [(3, 1.0)].into(), ..sampling() },
            Parameters { watermark: Some(Watermark { gamma: 0.5, delta: 1.0 }), ..sampling() },
            Parameters { presence_penalty: Some(1.0), ..penalized },
        ];
        for parameters in others {
            assert!(!sampler(&parameters, Profile::V3_3).is_drawable(), "{parameters:?}");
        }
        let banned = sampler(&sampling(), Profile::V3_3).without_end_before(1, &[0]);
        assert!(!banned.is_drawable());
    }

    #[test]
    fn what_was_drawn_is_told_with_its_best_tokens() {
        let sampler = sampler(&sampling(), Profile::V3_3);
        let mut scratch = Scratch::new(4);
        let token = |id| RankedToken { id, logprob: -0.5 };
        for top in [&[token(2), token(1)][..], &[]] {
            let sampled = sampler.take_drawn(token(1), top, &mut scratch);
            assert_eq!((sampled.id, sampled.logprob), (1, -0.5));
            assert_eq!(scratch.top(), top.iter().map(|&it| it.into()).collect::<Vec<Sampled>>());
        }
    }
}

//! What the backend draws is what the engine samples of the same rows.

mod common;

use common::{Bench, Story, config, greedy, letters};
use tgi_backend_scripted::ScriptedOptions;
use tgi_engine::{EngineConfig, Grammar, GrammarKind, Parameters, Profile, Request};

/// Requests of every kind that can be drawn, and of some that cannot.
fn requests() -> Vec<Request> {
    let sampling = |seed| Parameters { seed: Some(seed), do_sample: true, ..Parameters::default() };
    let grammar = Grammar { kind: GrammarKind::Regex, text: "[a-z ]*".into() };
    let kinds = [
        Parameters { top_n_tokens: 4, ..Parameters::default() },
        sampling(1),
        Parameters { temperature: Some(0.7), top_n_tokens: 3, ..sampling(2) },
        Parameters { top_k: Some(5), top_n_tokens: 9, ..sampling(3) },
        Parameters { top_p: Some(0.6), temperature: Some(1.4), ..sampling(4) },
        Parameters { min_p: Some(0.2), top_n_tokens: 2, ..sampling(5) },
        Parameters { top_k: Some(30), top_p: Some(0.9), min_p: Some(0.05), ..sampling(6) },
        Parameters { repetition_penalty: Some(1.6), ..Parameters::default() },
        Parameters { repetition_penalty: Some(1.3), top_k: Some(20), ..sampling(7) },
        Parameters { frequency_penalty: Some(1.5), top_n_tokens: 3, ..sampling(8) },
        Parameters { presence_penalty: Some(1.5), top_p: Some(0.8), ..sampling(9) },
        Parameters { openai_frequency_penalty: Some(-0.7), ..Parameters::default() },
        Parameters { presence_penalty: Some(1.0), repetition_penalty: Some(1.2), ..sampling(10) },
        Parameters { typical_p: Some(0.7), ..sampling(11) },
        Parameters { logit_bias: [(300, 5.0)].into(), ..sampling(12) },
        Parameters { raw_logprobs: true, top_n_tokens: 2, ..sampling(13) },
        Parameters { decoder_input_details: true, ..sampling(14) },
        Parameters { min_new_tokens: 5, ..sampling(15) },
        Parameters { grammar: Some(grammar), ..sampling(16) },
    ];
    let request = |(index, kind): (usize, Parameters)| {
        let mut request = greedy(letters(index * 5 + 1), 60);
        request.parameters = Parameters { max_new_tokens: Some(60), ignore_eos: true, ..kind };
        request
    };
    kinds.into_iter().enumerate().map(request).collect()
}

fn told(profile: Profile, speculate: usize, options: &ScriptedOptions) -> Vec<Story> {
    let mut bench = Bench::new(options, &EngineConfig { profile, speculate, ..config() });
    let requests = requests();
    for (id, request) in (0..).zip(&requests) {
        bench.submit(id, request);
    }
    bench.run(2000);
    (0..requests.len() as u32).map(|id| bench.story(id)).collect()
}

/// The same, with log-probabilities that agree as far as single precision goes.
fn assert_same(left: &Story, right: &Story, index: usize) {
    assert_eq!((&left.text, &left.end), (&right.text, &right.end), "request {index}");
    assert_eq!(left.tokens.len(), right.tokens.len());
    for ((token, tops), (other, other_tops)) in left.tokens.iter().zip(&right.tokens) {
        assert_eq!(tops.len(), other_tops.len(), "request {index}");
        let tops = tops.iter().zip(other_tops);
        for (token, other) in tops.chain([(token, other)]) {
            assert_eq!((token.id, &token.text), (other.id, &other.text), "request {index}");
            let logprobs = [token, other].map(|it| f32::from_bits(it.logprob));
            assert!((logprobs[0] - logprobs[1]).abs() < 1e-4, "request {index}: {logprobs:?}");
        }
    }
}

#[test]
fn drawn_tokens_and_their_top_tokens_are_those_sampled_of_the_rows() {
    for (profile, speculate) in [(Profile::V0_3, 0), (Profile::V3_3, 0), (Profile::V3_3, 3)] {
        let sampled = told(profile, speculate, &ScriptedOptions::default());
        for ahead in [false, true] {
            let options = ScriptedOptions { draws: true, ahead, ..ScriptedOptions::default() };
            let drawn = told(profile, speculate, &options);
            for (index, (sampled, drawn)) in sampled.iter().zip(&drawn).enumerate() {
                assert_same(sampled, drawn, index);
            }
            assert_ne!(sampled, drawn, "some were drawn: their last bits differ");
        }
    }
}

use super::*;
use crate::Watermark;

const LIMITS: TokenLimits = TokenLimits { input: 10, total: 16, adapters: 2 };

fn prepared(inputs: &str, parameters: Parameters) -> Result<Prepared, String> {
    let request = Request { inputs: inputs.into(), parameters, ..Request::default() };
    prepare(&request, &tgi_backend_scripted::tokenizer(), LIMITS).map_err(|error| error.to_string())
}

/// Bytes without a merge between them: one token each.
fn letters(count: usize) -> String {
    "QZ".chars().cycle().take(count).collect()
}

fn plain() -> Parameters {
    Parameters { add_special_tokens: false, ..Parameters::default() }
}

#[test]
fn an_absent_length_fills_up_to_the_total_limit() {
    let request = prepared(&letters(7), plain()).unwrap();
    assert_eq!((request.tokens.len(), request.max_new_tokens, request.seed), (7, 9, None));
}

#[test]
fn truncate_keeps_the_last_tokens() {
    let all = prepared(&letters(9), plain()).unwrap().tokens;
    let last = prepared(&letters(9), Parameters { truncate: Some(4), ..plain() }).unwrap().tokens;
    assert_eq!(last, all[5..]);
    let long = Parameters { truncate: Some(u32::MAX), ..plain() };
    assert_eq!(prepared(&letters(9), long).unwrap().tokens, all);
}

#[test]
fn a_long_prompt_is_named_before_a_long_total() {
    let wish = |new| Parameters { max_new_tokens: Some(new), ..plain() };
    assert_eq!(
        prepared(&letters(11), wish(99)).unwrap_err(),
        "`inputs` must have less than 10 tokens. Given: 11"
    );
    assert_eq!(
        prepared(&letters(10), wish(7)).unwrap_err(),
        "`inputs` tokens + `max_new_tokens` must be <= 16. Given: 10 `inputs` tokens and 7 \
         `max_new_tokens`"
    );
    assert_eq!(prepared(&letters(10), wish(6)).unwrap().max_new_tokens, 6);
    assert!(prepared(&letters(10), wish(u32::MAX)).unwrap_err().contains("4294967295"));
}

#[test]
fn each_number_out_of_range_is_named() {
    let message = |change: fn(&mut Parameters)| {
        let mut parameters = plain();
        change(&mut parameters);
        prepared("a", parameters).unwrap_err()
    };
    assert_eq!(
        message(|p| p.temperature = Some(f32::INFINITY)),
        "`temperature` must be strictly positive"
    );
    assert_eq!(
        message(|p| p.repetition_penalty = Some(f32::NAN)),
        "`repetition_penalty` must be strictly positive"
    );
    assert_eq!(
        message(|p| p.frequency_penalty = Some(-2.5)),
        "`frequency_penalty` must be >= -2.0 and <= 2.0"
    );
    assert_eq!(message(|p| p.top_p = Some(1.5)), "`top_p` must be > 0.0 and <= 1.0");
    assert_eq!(message(|p| p.typical_p = Some(1.0)), "`typical_p` must be > 0.0 and < 1.0");
    assert_eq!(message(|p| p.top_k = Some(0)), "`top_k` must be strictly positive");
    assert_eq!(
        message(|p| p.max_new_tokens = Some(0)),
        "`max_new_tokens` must be strictly positive"
    );
    assert_eq!(
        message(|p| p.stop = vec![String::new(); 257]),
        "`stop` supports up to 256 stop sequences. Given: 257"
    );
    assert_eq!(
        message(|p| p.top_n_tokens = 1001),
        "`top_n_tokens` must be >= 0 and <= 1000. Given: 1001"
    );
    assert_eq!(
        message(|p| p.truncate = Some(0)),
        "`truncate` must be strictly positive and less than 10. Given: 0"
    );
}

#[test]
fn each_extension_out_of_range_is_named() {
    let message = |change: fn(&mut Parameters)| {
        let mut parameters = plain();
        change(&mut parameters);
        prepared("a", parameters).unwrap_err()
    };
    assert_eq!(message(|p| p.min_p = Some(1.5)), "`min_p` must be >= 0.0 and <= 1.0");
    assert_eq!(
        message(|p| p.presence_penalty = Some(2.5)),
        "`presence_penalty` must be >= -2.0 and <= 2.0"
    );
    assert_eq!(
        message(|p| p.openai_frequency_penalty = Some(f32::NAN)),
        "`openai_frequency_penalty` must be >= -2.0 and <= 2.0"
    );
    assert_eq!(
        message(|p| p.logit_bias = [(7, 101.0)].into()),
        "`logit_bias` must be >= -100 and <= 100. Given: 101 for token 7"
    );
    assert_eq!(
        message(|p| p.logit_bias = [(512, 1.0)].into()),
        "`logit_bias` token ids must be < 512. Given: 512"
    );
    assert_eq!(
        message(|p| p.logit_bias = (0..1025).map(|id| (id, 1.0)).collect()),
        "`logit_bias` supports up to 1024 tokens. Given: 1025"
    );
    assert_eq!(
        message(|p| p.watermark = Some(Watermark { gamma: 1.5, delta: 2.0 })),
        "`watermark` needs a gamma >= 0.0 and <= 1.0 and a finite delta"
    );
    assert_eq!(
        message(|p| (p.min_new_tokens, p.max_new_tokens) = (4, Some(3))),
        "`min_new_tokens` must be <= `max_new_tokens`. Given: 4 and 3"
    );
}

#[test]
fn a_prompt_may_come_as_token_ids() {
    let of = |inputs: &str, ids: &[u32], parameters| {
        let input_ids = Some(ids.to_vec());
        let request =
            Request { inputs: inputs.into(), input_ids, parameters, ..Request::default() };
        let tokenizer = tgi_backend_scripted::tokenizer();
        prepare(&request, &tokenizer, LIMITS).map_err(|error| error.to_string())
    };
    assert_eq!(of("", &[9, 1, 511], Parameters::default()).unwrap().tokens, [9, 1, 511]);
    let last = Parameters { truncate: Some(2), ..Parameters::default() };
    assert_eq!(of("", &[9, 1, 511], last).unwrap().tokens, [1, 511]);
    let refusal = |inputs, ids| of(inputs, ids, Parameters::default()).unwrap_err();
    assert_eq!(refusal("", &[3, 512]), "`input_ids` token ids must be < 512. Given: 512");
    assert_eq!(refusal("", &[]), "`inputs` cannot be empty");
    assert_eq!(refusal("a", &[3]), "`inputs` must be empty when `input_ids` is given");
    assert_eq!(refusal("", &[3; 11]), "`inputs` must have less than 10 tokens. Given: 11");
}

#[test]
fn an_empty_prompt_is_refused() {
    assert_eq!(prepared("", plain()).unwrap_err(), "`inputs` cannot be empty");
}

#[test]
fn a_seed_is_kept_or_drawn_when_it_samples_and_absent_when_greedy() {
    let sampling = |seed| Parameters { do_sample: true, seed, ..plain() };
    assert_eq!(prepared("a", sampling(Some(u64::MAX))).unwrap().seed, Some(u64::MAX));
    let drawn = || prepared("a", sampling(None)).unwrap().seed.unwrap();
    assert_ne!(drawn(), drawn());
    let greedy = Parameters { seed: Some(3), ..plain() };
    assert_eq!(prepared("a", greedy).unwrap().seed, None);
}

#[test]
fn an_adapter_that_there_is_not_is_refused() {
    let tokenizer = tgi_backend_scripted::tokenizer();
    let with = |adapter| {
        let request = Request { inputs: "a".into(), adapter, ..Request::default() };
        let prepared = prepare(&request, &tokenizer, TokenLimits { total: 100, ..LIMITS });
        prepared.map(|it| (it.adapter, it.salt)).map_err(|error| error.to_string())
    };
    assert_eq!(with(Some(1)).unwrap().0, Some(1));
    assert_ne!(with(Some(1)).unwrap().1, with(None).unwrap().1);
    assert_eq!(with(Some(2)).unwrap_err(), "`adapter` must be < 2. Given: 2");
}

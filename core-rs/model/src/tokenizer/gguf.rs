//! A vocabulary from a GGUF file's metadata (`tokenizer.ggml.*`).

use super::{BpeVocabulary, PreTokenizer, ScoredVocabulary, TokenKind, Tokenizer, unigram};
use crate::error::Defect;
use crate::gguf::metadata::Metadata;

/// Builds a file's tokenizer; moves the vocabulary out of `metadata`.
pub(crate) fn from_metadata(metadata: &mut Metadata) -> Result<Tokenizer, Defect> {
    match metadata.string("tokenizer.ggml.model")? {
        Some("gpt2") => byte_level(metadata),
        Some("llama") => sentence_piece(metadata),
        Some("t5") => unigram::from_metadata(metadata),
        Some(other) => Err(Defect::unsupported(format!(
            "its tokenizer is {other:?}, this version knows gpt2, llama, t5"
        ))),
        None => Err(missing("tokenizer.ggml.model")),
    }
}

fn byte_level(metadata: &mut Metadata) -> Result<Tokenizer, Defect> {
    let name =
        metadata.string("tokenizer.ggml.pre")?.ok_or_else(|| missing("tokenizer.ggml.pre"))?;
    let pre = PreTokenizer::from_name(name).ok_or_else(|| {
        let known = PreTokenizer::names();
        Defect::unsupported(format!("its pre-tokenizer is {name:?}, this version knows {known}"))
    })?;
    let (bos, eos) = (token(metadata, "bos")?, eos(metadata)?);
    let add_bos = metadata.bool("tokenizer.ggml.add_bos_token")?;
    let tokens = tokens(metadata)?;
    let merges = metadata
        .take_strings("tokenizer.ggml.merges")?
        .ok_or_else(|| missing("tokenizer.ggml.merges"))?;
    let kinds = kinds(metadata, tokens.len())?;
    // Llama 3 files that do not say so want one all the same.
    let add_bos = add_bos.unwrap_or(pre == PreTokenizer::Llama3);
    Tokenizer::byte_level(BpeVocabulary { tokens, merges, kinds, pre, bos, eos, add_bos })
}

fn sentence_piece(metadata: &mut Metadata) -> Result<Tokenizer, Defect> {
    let (bos, eos) = (token(metadata, "bos")?, eos(metadata)?);
    let unknown = token(metadata, "unknown")?;
    let add_bos = metadata.bool("tokenizer.ggml.add_bos_token")?.unwrap_or(true);
    let add_space_prefix = metadata.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let tokens = tokens(metadata)?;
    let scores = scores(metadata)?;
    let kinds = kinds(metadata, tokens.len())?;
    Tokenizer::sentence_piece(ScoredVocabulary {
        tokens,
        scores,
        kinds,
        bos,
        eos,
        unknown,
        add_bos,
        add_space_prefix,
    })
}

/// The tokens, by id.
pub(super) fn tokens(metadata: &mut Metadata) -> Result<Vec<String>, Defect> {
    metadata.take_strings("tokenizer.ggml.tokens")?.ok_or_else(|| missing("tokenizer.ggml.tokens"))
}

/// The score of each token.
pub(super) fn scores(metadata: &mut Metadata) -> Result<Vec<f32>, Defect> {
    metadata.take_floats("tokenizer.ggml.scores")?.ok_or_else(|| missing("tokenizer.ggml.scores"))
}

/// Kinds by GGUF's numbers; without any, all tokens are normal.
pub(super) fn kinds(metadata: &mut Metadata, tokens: usize) -> Result<Vec<TokenKind>, Defect> {
    let key = "tokenizer.ggml.token_type";
    let Some(numbers) = metadata.take_integers(key)? else {
        return Ok(vec![TokenKind::Normal; tokens]);
    };
    let kind = |number| match number {
        1 => Ok(TokenKind::Normal),
        2 => Ok(TokenKind::Unknown),
        3 => Ok(TokenKind::Control),
        4 => Ok(TokenKind::UserDefined),
        5 => Ok(TokenKind::Unused),
        6 => Ok(TokenKind::Byte),
        _ => Err(Defect::malformed(format!("{key} has {number}, expected 1 to 6"))),
    };
    numbers.into_iter().map(kind).collect()
}

/// The tokens that end a generation: end of sequence, and end of turn where a chat model has one.
pub(super) fn eos(metadata: &Metadata) -> Result<Vec<u32>, Defect> {
    let mut ids: Vec<u32> = Vec::new();
    for role in ["eos", "eot"] {
        ids.extend(token(metadata, role)?.filter(|id| !ids.contains(id)));
    }
    Ok(ids)
}

/// The id of the token of a role.
pub(super) fn token(metadata: &Metadata, role: &str) -> Result<Option<u32>, Defect> {
    let key = format!("tokenizer.ggml.{role}_token_id");
    let Some(id) = metadata.integer(&key)? else { return Ok(None) };
    let id = u32::try_from(id)
        .map_err(|_| Defect::malformed(format!("{key} is {id}, expected a token's id")))?;
    Ok(Some(id))
}

fn missing(key: &str) -> Defect {
    Defect::malformed(format!("{key} is missing"))
}

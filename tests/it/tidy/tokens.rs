//! The tokens of a source file, by rustc's own rules for comments and strings.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A token. `::` and `..` are one; a group is its opening delimiter, with its tokens in `inner`.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) inner: Vec<Token>,
}

/// Returns the tokens of a file or a group.
pub(super) fn lex(tokens: TokenStream) -> Vec<Token> {
    let mut lexed = Vec::<Token>::new();
    // The first half of a pair.
    let mut half = None;
    for token in tokens {
        let line = token.span().start().line;
        let previous_half = half.take();
        let mut inner = Vec::new();
        let text = match token {
            TokenTree::Group(group) => {
                inner = lex(group.stream());
                match group.delimiter() {
                    Delimiter::Parenthesis => "(",
                    Delimiter::Brace => "{",
                    Delimiter::Bracket => "[",
                    Delimiter::None => "",
                }
                .to_owned()
            }
            TokenTree::Punct(punct) => {
                let char = punct.as_char();
                if previous_half == Some(char)
                    && let Some(pair) = lexed.last_mut()
                {
                    pair.text.push(char);
                    continue;
                }
                let is_half = matches!(char, ':' | '.') && punct.spacing() == Spacing::Joint;
                half = is_half.then_some(char);
                char.to_string()
            }
            TokenTree::Ident(ident) => ident.to_string().trim_start_matches("r#").to_owned(),
            // Some literals begin with a letter.
            TokenTree::Literal(_) => "0".to_owned(),
        };
        lexed.push(Token { text, line, inner });
    }
    lexed
}

impl Token {
    pub(super) fn is_ident(&self) -> bool {
        self.text.starts_with(|char: char| char == '_' || char.is_alphabetic())
    }

    /// Returns whether this is the `(crate)` or `(in path)` of `pub(crate)` and `pub(in path)`.
    pub(super) fn is_visibility(&self) -> bool {
        let first = self.inner.first().map(|token| token.text.as_str());
        self.text == "(" && matches!(first, Some("crate" | "super" | "self" | "in"))
    }

    /// Returns whether this attribute keeps what follows for tests.
    pub(super) fn is_test(&self) -> bool {
        fn flat(tokens: &[Token]) -> String {
            tokens.iter().map(|token| token.text.clone() + &flat(&token.inner)).collect()
        }
        let text = flat(&self.inner);
        let name = text.split('(').next().unwrap_or_default();
        text == "cfg(test"
            || text.starts_with("cfg(all(test,")
            || name == "test"
            || name.ends_with("::test")
    }
}

/// Returns what comes after an item, a field, a statement or an arm.
pub(super) fn after_item(tokens: &[Token]) -> &[Token] {
    let end = tokens.iter().position(|token| matches!(token.text.as_str(), "{" | ";" | ","));
    end.map_or(&[], |end| &tokens[end + 1..])
}

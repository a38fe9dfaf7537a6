//! A Rust file's functions and unsafe code, from its tokens: comments and strings count for nothing, and the inside of
//! a macro counts.

use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::SourceFile;

/// What a file contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// `unsafe { .. }` blocks, by their first line.
    pub unsafe_blocks: Vec<usize>,
    /// `unsafe` functions, traits, implementations, external blocks and attributes, by line.
    pub unsafe_declarations: Vec<usize>,
    /// Functions with a body.
    pub functions: Vec<Function>,
    /// Lines before the file's tests.
    pub lines: usize,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of its `fn`.
    pub line: usize,
    /// Lines from its `fn` to its closing brace.
    pub lines: usize,
}

/// Reads a file up to its `#[cfg(test)] mod`, or as a whole if it has none.
pub fn read(file: &SourceFile) -> Result<Contents> {
    let mut contents = Contents { lines: lines_before_tests(&file.text), ..Contents::default() };
    let head: String = file.text.split_inclusive('\n').take(contents.lines).collect();
    let tokens = TokenStream::from_str(&head).map_err(|error| anyhow!("{}: {error}", file.path))?;
    walk(tokens, &mut contents);
    Ok(contents)
}

fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

fn walk(tokens: TokenStream, contents: &mut Contents) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "unsafe" => {
                let line = word.span().start().line;
                match tokens.get(index + 1) {
                    Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                        contents.unsafe_blocks.push(line);
                    }
                    _ => contents.unsafe_declarations.push(line),
                }
            }
            TokenTree::Ident(word) if word == "fn" => contents.functions.extend(function_at(&tokens[index..])),
            TokenTree::Group(group) => walk(group.stream(), contents),
            _ => {}
        }
    }
}

/// The function whose `fn` is the first of `tokens`; `None` if it has no body, or is a type.
fn function_at(tokens: &[TokenTree]) -> Option<Function> {
    let [first, TokenTree::Ident(name), rest @ ..] = tokens else { return None };
    let line = first.span().start().line;
    let body = rest.iter().find(|token| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    })?;
    let TokenTree::Group(body) = body else { return None };
    Some(Function { name: name.to_string(), line, lines: body.span_close().end().line - line + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_count_and_comments_do_not() {
        let text = r#"
// unsafe { }
fn one(f: fn(u8) -> u8) -> &'static str {
    "unsafe { }"
}
trait T { fn none(&self); }
unsafe impl T for u8 {}
macro_rules! m { () => { unsafe { two() } }; }
#[unsafe(no_mangle)]
pub extern "C" fn three() { unsafe { unsafe_named() } }
#[cfg(test)]
mod tests { fn four() { unsafe {} } }
"#;
        let contents = read(&SourceFile { path: String::new(), text: text.to_owned() }).unwrap();
        assert_eq!(contents.unsafe_blocks, [8, 10]);
        assert_eq!(contents.unsafe_declarations, [7, 9]);
        let names: Vec<_> = contents.functions.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(names, [("one", 3, 3), ("three", 10, 1)]);
        assert_eq!(contents.lines, 10);
    }
}

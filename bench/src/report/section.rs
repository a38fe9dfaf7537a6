//! A part of a text that a program writes: between two marks, which stay.

/// What stands before and behind it.
const BEGIN: &str = "<!-- begin: written by `memstorm bench report` -->";
const END: &str = "<!-- end: written by `memstorm bench report` -->";

/// There are no marks, or they stand in the wrong order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no place to write to: expected a line \"{BEGIN}\" and, below it, \"{END}\"")]
pub struct NoSection;

/// The text with another section.
pub fn replaced(text: &str, section: &str) -> Result<String, NoSection> {
    let begin = text.find(BEGIN).ok_or(NoSection)? + BEGIN.len();
    let end = begin + text[begin..].find(END).ok_or(NoSection)?;
    Ok(format!("{}\n\n{}\n\n{}", &text[..begin], section.trim(), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_stays() {
        let text = format!("# A\n\n{BEGIN}\nold\n{END}\n\nrest\n");
        let expected = format!("# A\n\n{BEGIN}\n\nnew | table\n\n{END}\n\nrest\n");
        assert_eq!(replaced(&text, "\nnew | table\n"), Ok(expected.clone()));
        assert_eq!(replaced(&expected, "new | table"), Ok(expected.clone()), "again is the same");
    }

    #[test]
    fn without_a_place_nothing_is_written() {
        assert_eq!(replaced("# A\n", "x"), Err(NoSection));
        assert_eq!(replaced(&format!("{END}\n{BEGIN}\n"), "x"), Err(NoSection));
    }
}

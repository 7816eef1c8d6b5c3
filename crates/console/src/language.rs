//! Two languages, and texts that exist in both.

use std::fmt::Display;

/// A language that pages are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Japanese.
    Japanese,
}

impl Language {
    /// All, as the switch shows them.
    pub const ALL: [Self; 2] = [Self::English, Self::Japanese];

    /// The language's tag (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }

    /// The language's name, in itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Japanese => "日本語",
        }
    }

    /// The language of this tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The first language of an `Accept-Language` header that pages are written in.
    pub fn accepted(header: &str) -> Self {
        let tags = header.split(',').filter_map(|part| part.trim().split([';', '-']).next());
        tags.into_iter().find_map(Self::of_tag).unwrap_or_default()
    }
}

/// Something that pages say, in both languages. `{0}` to `{9}` stand for values ([`Text::fill`]); that both
/// languages name the same ones is checked when it is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text {
    english: &'static str,
    japanese: &'static str,
}

impl Text {
    /// A text in both languages. For constants: where a language is missing, it does not compile.
    pub const fn new(english: &'static str, japanese: &'static str) -> Self {
        assert!(!english.is_empty() && !japanese.is_empty(), "a text needs both languages");
        assert!(values_named(english) == values_named(japanese), "both languages must name the same values");
        Self { english, japanese }
    }

    /// The text in one language.
    pub fn to(self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Japanese => self.japanese,
        }
    }

    /// The text in one language with these values in their places.
    pub fn fill(self, language: Language, values: &[&dyn Display]) -> String {
        let mut filled = String::new();
        let mut rest = self.to(language);
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(before);
            if let Some(value) = place.parse::<usize>().ok().and_then(|place| values.get(place)) {
                filled.push_str(&value.to_string());
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// Which of `{0}` to `{9}` a text names, a bit each.
const fn values_named(text: &str) -> u16 {
    let bytes = text.as_bytes();
    let mut named = 0;
    let mut at = 0;
    while at + 2 < bytes.len() {
        if bytes[at] == b'{' && bytes[at + 2] == b'}' {
            assert!(bytes[at + 1].is_ascii_digit(), "a value is named by its place");
            named |= 1 << (bytes[at + 1] - b'0');
        }
        at += 1;
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_each_language_wants_them() {
        const OF: Text = Text::new("{0} of {1} packs", "{1} 件中 {0} 件");
        assert_eq!(OF.fill(Language::English, &[&3, &10]), "3 of 10 packs");
        assert_eq!(OF.fill(Language::Japanese, &[&3, &10]), "10 件中 3 件");
    }

    #[test]
    fn a_browser_gets_the_first_language_that_there_is() {
        assert_eq!(Language::accepted("ja,en-US;q=0.9,en;q=0.8"), Language::Japanese);
        assert_eq!(Language::accepted("de-DE, ja-JP;q=0.5"), Language::Japanese);
        assert_eq!(Language::accepted("en-GB,ja"), Language::English);
        assert_eq!(Language::accepted("fr"), Language::English);
    }
}

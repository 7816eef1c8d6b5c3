//! A label as SVG, in its true size.

use std::fmt::Write;

use super::{Label, UNIT_INCH};

/// The label as an SVG file.
pub fn svg(label: &Label) -> String {
    let Label { width, height, bars, texts } = label;
    let inches = |units: u32| format!("{:.2}in", units as f32 * UNIT_INCH);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {width} {height}\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n<path shape-rendering=\"crispEdges\" d=\"",
        inches(*width),
        inches(*height)
    );
    for bar in bars {
        let _ = write!(svg, "M{} {}h{}v{}h-{}z", bar.x, bar.y, bar.width, bar.height, bar.width);
    }
    svg.push_str("\"/>\n");
    for text in texts {
        let weight = if text.is_bold { "bold" } else { "normal" };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" font-weight=\"{weight}\" \
             font-family=\"Helvetica, Arial, sans-serif\">{}</text>",
            text.x,
            text.y,
            text.size,
            escaped(&text.text)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use identity::scan::CheckDigit;

    use super::*;

    #[test]
    fn a_plate_keeps_its_quiet_zones() {
        for number in ["3012-123456", "ABCDEFGH-123456789012"] {
            let label = Label::rating_plate(&number.parse().unwrap(), CheckDigit::Mod37_2).unwrap();
            for bar in &label.bars {
                assert!(bar.x >= 10 && bar.x + bar.width + 10 <= label.width, "{number}");
                assert!(bar.y >= 10 && bar.y + bar.height + 10 <= label.height, "{number}");
            }
        }
    }

    #[test]
    fn what_is_written_is_escaped() {
        let svg = svg(&Label::badge("Sato & <Co>", "osaka", "B-1").unwrap());
        assert!(svg.contains(">Sato &amp; &lt;Co&gt;</text>"), "{svg}");
    }
}

//! Labels as one PDF, a page of its own size each, as label printers take them.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};

use super::{Label, UNIT_INCH};

const POINTS_AN_INCH: f32 = 72.0;

/// Every reader has these two, so that no font is in the file.
const REGULAR: (Name, Name) = (Name(b"R"), Name(b"Helvetica"));
const BOLD: (Name, Name) = (Name(b"B"), Name(b"Helvetica-Bold"));

/// The labels as a PDF file.
pub fn pdf(labels: &[Label]) -> Vec<u8> {
    let (catalog, pages, regular, bold) = (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4));
    let refs = |first: i32| (first..).step_by(2).map(Ref::new).zip(labels);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids(refs(5).map(|(page, _)| page)).count(labels.len() as i32);
    pdf.type1_font(regular).base_font(REGULAR.1);
    pdf.type1_font(bold).base_font(BOLD.1);
    for ((page, label), (content, _)) in refs(5).zip(refs(6)) {
        let mut written = pdf.page(page);
        written.media_box(Rect::new(0.0, 0.0, points(label.width), points(label.height)));
        written.parent(pages).contents(content);
        written.resources().fonts().pair(REGULAR.0, regular).pair(BOLD.0, bold);
        written.finish();
        pdf.stream(content, &drawn(label));
    }
    pdf.finish()
}

/// The label's page; PDF counts from the bottom.
fn drawn(label: &Label) -> Vec<u8> {
    let mut content = Content::new();
    for bar in &label.bars {
        let bottom = points(label.height - bar.y - bar.height);
        content.rect(points(bar.x), bottom, points(bar.width), points(bar.height));
    }
    content.fill_nonzero();
    for text in &label.texts {
        let font = if text.is_bold { BOLD.0 } else { REGULAR.0 };
        content.begin_text().set_font(font, points(text.size));
        content.next_line(points(text.x), points(label.height - text.y));
        content.show(Str(text.text.as_bytes())).end_text();
    }
    content.finish().to_vec()
}

fn points(units: u32) -> f32 {
    units as f32 * UNIT_INCH * POINTS_AN_INCH
}

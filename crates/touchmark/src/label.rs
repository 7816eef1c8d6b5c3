//! Labels: what a scanner and a person read off a device or a badge, as SVG and as PDF.
//!
//! A label is drawn once, in units of `UNIT_INCH`, and written in either format. All edges lie on whole
//! units, so that bars come out evenly wide at the resolutions of label printers.

mod pdf;
mod svg;

use anyhow::Context;
use barcoders::sym::code128::Code128;
use fast_qr::ECL;
use fast_qr::qr::QRBuilder;
use identity::DeviceNumber;
use identity::scan::{CheckDigit, check_character};

pub use pdf::pdf;
pub use svg::svg;

/// The unit of a label, in inches: the width of the narrowest bar. It is 3 dots at 300 dpi and 6 at 600.
const UNIT_INCH: f32 = 0.01;

/// Left free around a Code 128 (ISO/IEC 15417: at least 10 narrow bars), and at the label's edges.
const MARGIN: u32 = 10;

/// How wide a module of the QR code is; 4 modules around it stay free (ISO/IEC 18004).
const QR_MODULE: u32 = 2;

const BARS_HEIGHT: u32 = 40;
const HEADING_SIZE: u32 = 24;
const SUBHEADING_SIZE: u32 = 18;
const CODE_SIZE: u32 = 14;

/// No capital letter of the heading is wider, in its own size.
const LETTER_WIDTH: f32 = 0.84;

/// A label, ready to be written.
pub struct Label {
    width: u32,
    height: u32,
    bars: Vec<Bar>,
    texts: Vec<Text>,
}

/// A black rectangle.
struct Bar {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

/// A line of text; `y` is its base line.
struct Text {
    x: u32,
    y: u32,
    size: u32,
    is_bold: bool,
    text: String,
}

/// What a scanner reads off the plate of this device.
pub fn plate_text(number: &DeviceNumber, check_digit: CheckDigit) -> String {
    match check_digit {
        CheckDigit::None => number.to_string(),
        CheckDigit::Mod37_2 => format!("{number}{}", check_character(number)),
    }
}

impl Label {
    /// The rating plate of a device: its number, with the check character that its product's plates carry.
    ///
    /// # Errors
    /// The number cannot be encoded, which every device number can.
    pub fn rating_plate(number: &DeviceNumber, check_digit: CheckDigit) -> anyhow::Result<Self> {
        let text = number.to_string();
        let serial = text.rsplit('-').next().unwrap_or_default();
        Self::new(number.product().as_str(), serial, &plate_text(number, check_digit))
    }

    /// The badge of an operator, with the code by which they sign on.
    ///
    /// # Errors
    /// The code cannot be encoded.
    pub fn badge(name: &str, factory: &str, code: &str) -> anyhow::Result<Self> {
        Self::new(name, factory, code)
    }

    /// A card that does at a station what a button does.
    ///
    /// # Errors
    /// The code cannot be encoded.
    pub fn card(name: &str, code: &str) -> anyhow::Result<Self> {
        Self::new(name, "station", code)
    }

    fn new(heading: &str, subheading: &str, code: &str) -> anyhow::Result<Self> {
        // The letter that barcoders wants first chooses the character set, here that of printable ASCII.
        let linear = Code128::new(format!("\u{181}{code}")).context("the code does not fit a Code 128")?;
        let linear = linear.encode();
        let qr = QRBuilder::new(code).ecl(ECL::M).build().context("the code does not fit a QR code")?;
        let qr_side = qr.size as u32 * QR_MODULE;
        let heading_width = (heading.chars().count() as f32 * HEADING_SIZE as f32 * LETTER_WIDTH) as u32;
        let width = (linear.len() as u32).max(heading_width + MARGIN + qr_side) + 2 * MARGIN;
        let bars_y = 2 * MARGIN + qr_side;
        let code_y = bars_y + BARS_HEIGHT + CODE_SIZE + 2;

        let mut bars = runs(linear.iter().map(|module| *module == 1), 1, MARGIN, bars_y, BARS_HEIGHT);
        let qr_x = width - MARGIN - qr_side;
        for (row, y) in (0..qr.size).zip((MARGIN..).step_by(QR_MODULE as usize)) {
            bars.extend(runs(qr[row].iter().map(|module| module.value()), QR_MODULE, qr_x, y, QR_MODULE));
        }
        let text = |y, size, is_bold, text: &str| Text { x: MARGIN, y, size, is_bold, text: text.to_owned() };
        let heading_y = MARGIN + HEADING_SIZE;
        let texts = vec![
            text(heading_y, HEADING_SIZE, true, heading),
            text(heading_y + SUBHEADING_SIZE + 3, SUBHEADING_SIZE, false, subheading),
            text(code_y, CODE_SIZE, false, code),
        ];
        Ok(Self { width, height: code_y + MARGIN, bars, texts })
    }
}

/// The dark stretches of a row of modules, each as one bar.
fn runs(modules: impl Iterator<Item = bool>, module: u32, x: u32, y: u32, height: u32) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for (start, _) in (x..).step_by(module as usize).zip(modules).filter(|(_, is_dark)| *is_dark) {
        match bars.last_mut() {
            Some(bar) if bar.x + bar.width == start => bar.width += module,
            _ => bars.push(Bar { x: start, y, width: module, height }),
        }
    }
    bars
}

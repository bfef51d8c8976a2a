//! Lines in a picture, as SVG.

use std::fmt::Write;

#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    Linear,
    Logarithmic,
}

pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Plot<'a> {
    pub title: &'a str,
    pub x: (&'a str, Scale),
    pub y: (&'a str, Scale),
    /// A line across, and what it says.
    pub limit: Option<(f64, &'a str)>,
    pub lines: Vec<Line>,
}

const COLOURS: [&str; 6] = ["#2a5bd7", "#d7622a", "#2a9d55", "#8a3ab9", "#777", "#c2185b"];
const WIDTH: f64 = 780.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 510.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 262.0;

impl Plot<'_> {
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let limit = self.limit.map(|(value, _)| value);
        let x = Axis::of(points().map(|point| point.0), self.x.1, (LEFT, RIGHT));
        let y = Axis::of(points().map(|point| point.1).chain(limit), self.y.1, (BOTTOM, TOP));
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="18" font-weight="bold">{}</text>
<text x="{RIGHT}" y="{}" text-anchor="end">{}</text><text x="{LEFT}" y="{}" font-size="11">{}</text>
"##,
            self.title,
            BOTTOM + 32.0,
            self.x.0,
            TOP - 4.0,
            self.y.0
        );
        for (value, at) in x.marks() {
            let text = words(value);
            let _ = writeln!(
                svg,
                r##"<line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{BOTTOM}" stroke="#eee"/><text x="{at:.1}" y="{}" text-anchor="middle">{text}</text>"##,
                BOTTOM + 16.0
            );
        }
        for (value, at) in y.marks() {
            let text = words(value);
            let _ = writeln!(
                svg,
                r##"<line x1="{LEFT}" y1="{at:.1}" x2="{RIGHT}" y2="{at:.1}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end">{text}</text>"##,
                LEFT - 6.0,
                at + 4.0
            );
        }
        if let Some((value, text)) = self.limit {
            let at = y.place(value);
            let _ = writeln!(
                svg,
                r##"<line x1="{LEFT}" y1="{at:.1}" x2="{RIGHT}" y2="{at:.1}" stroke="#c00" stroke-dasharray="5 4"/><text x="{}" y="{:.1}" fill="#c00">{text}</text>"##,
                LEFT + 8.0,
                at + 14.0
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let mut path = String::new();
            for (across, up) in &line.points {
                let _ = write!(path, "{:.1},{:.1} ", x.place(*across), y.place(*up));
            }
            let name = TOP + 14.0 + 20.0 * number as f64;
            let _ = writeln!(
                svg,
                r##"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.8"/>"##,
                path.trim_end()
            );
            let _ = writeln!(
                svg,
                r##"<rect x="{}" y="{:.1}" width="12" height="4" fill="{colour}"/><text x="{}" y="{name:.1}">{}</text>"##,
                RIGHT + 10.0,
                name - 6.0,
                RIGHT + 28.0,
                line.name
            );
        }
        svg + "</svg>\n"
    }
}

struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
    place: (f64, f64),
}

impl Axis {
    fn of(values: impl Iterator<Item = f64> + Clone, scale: Scale, place: (f64, f64)) -> Self {
        let most = values.clone().fold(0.0, f64::max);
        if scale == Scale::Linear {
            return Self { scale, from: 0.0, to: most.max(1e-9) * 1.05, place };
        }
        let least = values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        Self { scale, from: 10f64.powf(least.log10().floor()), to: 10f64.powf(most.log10().ceil()), place }
    }

    fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Logarithmic => (value.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
        };
        self.place.0 + (self.place.1 - self.place.0) * share
    }

    fn marks(&self) -> Vec<(f64, f64)> {
        let mut marks = Vec::new();
        if self.scale == Scale::Logarithmic {
            let mut value = self.from;
            while value <= self.to * 1.001 {
                marks.push((value, self.place(value)));
                value *= 10.0;
            }
            return marks;
        }
        let rough = self.to / 5.0;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * unit).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(unit);
        let mut value = 0.0;
        while value <= self.to {
            marks.push((value, self.place(value)));
            value += step;
        }
        marks
    }
}

fn words(value: f64) -> String {
    if value >= 1000.0 {
        let text = format!("{value:.0}");
        let cut = text.len() - 3;
        return if text.len() > 6 {
            format!("{:.0}M", value / 1e6)
        } else {
            format!("{},{}", &text[..cut], &text[cut..])
        };
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

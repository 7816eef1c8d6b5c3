//! Style sheet, script and `uPlot`, in the binary. `uPlot` 1.6.32 is as its npm package `uplot` has it
//! (`assets/uplot`, with its licence).

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file that a page loads.
#[derive(Clone, Copy)]
pub struct Asset {
    /// Where it is: `/assets/NAME`.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What it holds.
    pub content: &'static [u8],
}

const ASSETS: &[Asset] = &[
    Asset {
        path: "/assets/console.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("../assets/console.css"),
    },
    Asset {
        path: "/assets/console.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../assets/console.js"),
    },
    Asset {
        path: "/assets/mark.svg",
        media_type: "image/svg+xml",
        content: include_bytes!("../assets/mark.svg"),
    },
    Asset {
        path: "/assets/uplot.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../assets/uplot/uPlot.iife.min.js"),
    },
    Asset {
        path: "/assets/uplot.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("../assets/uplot/uPlot.min.css"),
    },
    Asset {
        path: "/assets/uplot.LICENSE",
        media_type: "text/plain; charset=utf-8",
        content: include_bytes!("../assets/uplot/LICENSE"),
    },
];

impl Asset {
    /// A router that serves these files; for those of a role beside the ones that every page has.
    pub fn router(assets: &'static [Self]) -> Router {
        assets.iter().fold(Router::new(), |router, asset| router.route(asset.path, get(async || *asset)))
    }
}

impl IntoResponse for Asset {
    fn into_response(self) -> Response {
        // An hour: a new version of the program brings new files under the same names.
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
        ];
        (headers, self.content).into_response()
    }
}

pub(crate) fn router() -> Router {
    Asset::router(ASSETS)
}

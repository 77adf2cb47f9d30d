// What vega.min.js.gz is made of. To make it again, in an empty folder:
//
//   npm install vega@6.4.0 vega-lite@6.4.3 vega-interpreter@2.3.2 esbuild@0.28.2
//   npx esbuild vega-entry.js --bundle --minify --format=iife --target=es2022 \
//     --legal-comments=none --alias:vega=vega-util --outfile=vega.min.js
//   openssl dgst -sha256 -binary vega.min.js | base64 > vega.min.js.sha256
//   gzip -9 -n vega.min.js
//
// Maps, forces, trees and the like stay out: no chart of the report needs them. The
// alias is for Vega-Lite, which imports four functions of vega-util by way of vega. The
// interpreter evaluates expressions without `eval`, which the page's policy forbids.
import {transforms} from 'vega-dataflow';
import {extend} from 'vega-util';
import * as tx from 'vega-transforms';
import * as vtx from 'vega-view-transforms';
import * as encode from 'vega-encode';
import {View} from 'vega-view';
import {parse} from 'vega-parser';
import {compile} from 'vega-lite';
import {expressionInterpreter} from 'vega-interpreter';

extend(transforms, tx, vtx, encode);
globalThis.ladderCharts = {parse, View, compile, expressionInterpreter};

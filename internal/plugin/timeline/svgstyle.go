package timeline

// svgStyle has the colors, which can be distinguished with any kind of color vision, and the patterns. A dark picture follows the settings
// of its viewer.
const svgStyle = `<style>
:root { --page: #ffffff; --ink: #1b1f24; --faint: #59636e; --line: #e1e5ea; --waiting: #aab2bd; --draining: #e69f00; --rebooting: #0072b2;
  --recovering: #3aa58c; --back: #b06bb3; --bad: #c8321f; --good: #1a7f4b; --warn: #9a6700; --window: #2f9e6e; --freeze: #7a8fa6; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14181d; --ink: #e8ebef; --faint: #9aa5b1; --line: #2b323a; --waiting: #5c6773; --draining: #f0b429; --rebooting: #4aa8e8;
    --recovering: #4cc4a8; --back: #cf94d1; --bad: #ff7362; --good: #57d18c; --warn: #e3b341; --window: #3fb984; --freeze: #8ba3bd; }
}
.page { fill: var(--page); }
text { fill: var(--ink); }
.head { font-size: 16px; font-weight: 600; }
.zone { font-weight: 600; }
.axis, .nowtext { fill: var(--faint); font-size: 12px; }
.c2 { fill: var(--faint); } .c31 { fill: var(--bad); } .c32 { fill: var(--good); } .c33 { fill: var(--warn); }
.tick { stroke: var(--line); fill: none; }
.now { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3; fill: none; }
.backWindow { fill: var(--window); opacity: .08; } .backFreeze { fill: var(--freeze); opacity: .18; }
.stripWindow { fill: var(--window); } .stripFreeze { fill: url(#freeze); stroke: var(--freeze); }
.bWaiting { fill: var(--waiting); } .bEarlier { fill: url(#earlier); }
.bDraining { fill: var(--draining); } .bStuck { fill: url(#stuck); stroke: var(--bad); }
.bRebooting { fill: var(--rebooting); } .bRecovering { fill: var(--recovering); }
.bRolledBack { fill: url(#back); stroke: var(--back); } .bStalled { fill: url(#late); stroke: var(--bad); }
.bUnknown, .bUnderWay { fill: none; stroke: var(--faint); stroke-dasharray: 3 2; }
.forecast { opacity: .5; }
.mProved { stroke: var(--good); } .mFailed { stroke: var(--bad); } .mCancelled { stroke: var(--faint); }
.mProved, .mFailed, .mCancelled { fill: none; stroke-width: 2.5; stroke-linecap: round; }
.mTainted { fill: var(--warn); } .mApproved { fill: var(--good); }
.pWaiting { stroke: var(--waiting); stroke-width: 6; } .pBad { stroke: var(--bad); } .pDraining { stroke: var(--draining); }
.pBack { stroke: var(--back); } .pFreeze { stroke: var(--freeze); }
pattern path { fill: none; }
.pBad, .pDraining, .pBack, .pFreeze { stroke-width: 2; }
</style>
<defs>
<pattern id="earlier" width="6" height="6" patternUnits="userSpaceOnUse"><path class="pWaiting" d="M0 3H3"/></pattern>
<pattern id="stuck" width="6" height="6" patternUnits="userSpaceOnUse"><path class="pDraining" d="M-1 1L1 -1M0 6L6 0M5 7L7 5"/></pattern>
<pattern id="late" width="6" height="6" patternUnits="userSpaceOnUse"><path class="pBad" d="M0 0L6 6M6 0L0 6"/></pattern>
<pattern id="back" width="6" height="6" patternUnits="userSpaceOnUse"><path class="pBack" d="M-1 5L1 7M0 0L6 6M5 -1L7 1"/></pattern>
<pattern id="freeze" width="6" height="6" patternUnits="userSpaceOnUse"><path class="pFreeze" d="M3 0V6"/></pattern>
</defs>
`

"""What a deck from a stranger may use: the words of ngspice that only simulate.

From the tables of ngspice 39 to 46 (inpdomod.c, inpptree.c, xpressn.c, cktsopt.c, the code models' interfaces).
Left out is what reads or writes files, loads code or opens connections: filesource, d_source, d_state, d_process,
d_cosim, table2d, table3d, xfer, degmon, ndev, numd, nbjt, numos, and every front-end variable behind `.options`
that names a file or a program.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CARDS = _words(
    "param params func subckt ends macro eom model options option opt ic nodeset save print plot four meas measure "
    "csparam probe tran op dc ac noise tf pz sens disto temp global if elseif else endif width include inc lib endl "
    "end title"
)
FOREIGN = {
    "step": "a card of LTspice: `memsim sweep` runs a deck over values of its `.param`",
    "wave": "a card of LTspice that writes a file",
    "ferret": "a card of LTspice that reads from the internet",
    "data": "a card of HSPICE: `memsim sweep` runs a deck over values of its `.param`",
    "alter": "a card of HSPICE: `memsim sweep` runs a deck over values of its `.param`",
}
"""Cards of other simulators, which ngspice does not have."""
WITHOUT_EFFECT = frozenset(("backanno",))
"""Cards of other simulators that say nothing of the circuit."""
OF_NGSPICE = _words(
    "pss sp hist control endc osdi pre_osdi save loadstate shift disto sens pz four plotline verilog adc"
)
"""Further cards of ngspice; what is none of these is a mistake."""
ELEMENTS = frozenset("abcdefghijklmnopqrstuvwxyz")

COMMANDS = _words(
    "ac alter altermod alterparam break compose continue cutout dc destroy display dowhile echo else end exit fft "
    "foreach fourier if let linearize listing meas noise op plot print psd quit remzerovec repeat reset reshape run "
    "rusage save set setplot setscale settype show showmod spec status strcmp tf tran unlet unset version while"
)
WITHOUT_ARGUMENTS = _words("run reset status break continue else end")
"""`run FILE` would write a file."""
VARIABLES = _words(
    "xbrushwidth xgridwidth numdgt width height noaskquit nomoremode noprintscale units curplot temp tnom"
)
RESERVED = _words("plots inputdir sourcepath rawfile program prompt")
"""Beside what begins with `cur`: variables whose value comes from outside of the deck's commands, as its title does."""

OPTIONS = _words(
    "absdv abstol acct altinit autostop badmos3 brief bypass chgtol convabsstep convlimit convstep copynodesets "
    "cptime cshunt defad defas defl defm defnrd defnrs defpd defps defw delmin device dotnodes epsmin gmin "
    "gminfactor gminsteps gshunt hier_delim indverbosity ingold interp itl1 itl2 itl3 itl4 itl5 itl6 keepopinfo klu "
    "limpts limtim list lvlcod lvltim maxevtiter maxopalter maxord maxstep maxwarns method minbreak mu newtrunc "
    "noacct nodamping node nodedamping noinit nomod noopac noopalter noopiter nopage norefvalue numdgt oldlimit "
    "opts parhier pivrel pivtol plotwinsize post probe ramptime reldv reltol rseries rshunt savecurrents scale "
    "scalm seed seedinfo sparse srcsteps temp tnom trtol trytocompact vntol warn width wnflag xmu xtrtol"
)

FUNCTIONS = _words(
    "v i vm vp vr vi vdb im ip ir ii idb inoise onoise abs acos acosh arctan asin asinh atan atanh atan2 aunif agauss "
    "ceil cos cosh ddt deriv exp eq0 floor ge0 gauss gt0 idt hypot int le0 limit ln log log10 lt0 max min ne0 nint "
    "pow pwr pwl pwl_derivative sgn sin sinh sqr sqrt table tan tanh ternary_fcn u u2 unif uramp var vec if stp buf "
    "inv dnlim uplim"
)
SOURCES = _words(
    "dc ac distof1 distof2 pulse sin sine exp pwl sffm am trnoise trrandom poly external port cur vol"
)

MODELS = _words(
    "r res c cap l ind d npn pnp njf pjf nmf pmf nmos pmos nsoi psoi vdmos vdmosn vdmosp nhfet phfet hfet sw csw "
    "vswitch iswitch switch ltra urc txl cpl poly transline "
    "adc_bridge aswitch astate bidi_bridge capacitor capacitoric climit cmeter core d_and d_buffer d_dff d_dlatch "
    "d_dt d_fdiv d_genlut d_inverter d_jkff d_lut d_nand d_nor d_open_c d_open_e d_or d_osc d_pulldown d_pullup d_pwm "
    "d_ram d_srff d_srlatch d_tff d_to_real d_tristate d_xnor d_xor dac_bridge delay divide gain hyst ilimit inductor "
    "inductoric int lcouple limit lmeter memristor mult multi_input_pwl nco oneshot potentiometer pswitch pwl pwlts "
    "real_delay real_gain real_to_v s_xfer seegen sidiode sine slew spice2poly square summer triangle zener"
)

NAMES_A_FILE = re.compile(r"(?:\b|_)file\b")
"""How ngspice calls every parameter that names a file; it needs no equal sign behind it."""

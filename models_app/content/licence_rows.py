"""The licences, a line each: id, what is permitted, what is asked for, where the text is, its name.

Permitted: c commercial use, m modification, r redistribution. Asked for: a attribution (keep the notice),
t pass the licence's terms on, s share alike, u restrictions on use, n source for users over a network.
A limit that touches nearly nobody (Llama's 700 million users) counts as permitted; one on revenue does not.
"""

from __future__ import annotations

ROWS = """
apache-2.0                        cmr at   https://www.apache.org/licenses/LICENSE-2.0  Apache License 2.0
mit                               cmr a    https://spdx.org/licenses/MIT.html  MIT License
openrail                          cmr atu  https://www.licenses.ai/ai-licenses  Open Responsible AI License
bigscience-openrail-m             cmr atu  https://www.licenses.ai/blog/2022/8/26/bigscience-open-rail-m-license  BigScience OpenRAIL-M
creativeml-openrail-m             cmr atu  https://huggingface.co/spaces/CompVis/stable-diffusion-license  CreativeML OpenRAIL-M
bigscience-bloom-rail-1.0         cmr atu  https://huggingface.co/spaces/bigscience/license  BigScience BLOOM RAIL 1.0
bigcode-openrail-m                cmr atu  https://huggingface.co/spaces/bigcode/bigcode-model-license-agreement  BigCode OpenRAIL-M
openrail++                        cmr atu  https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md  CreativeML Open RAIL++-M
afl-3.0                           cmr at   https://spdx.org/licenses/AFL-3.0.html  Academic Free License 3.0
artistic-2.0                      cmr at   https://spdx.org/licenses/Artistic-2.0.html  Artistic License 2.0
bsl-1.0                           cmr a    https://spdx.org/licenses/BSL-1.0.html  Boost Software License 1.0
bsd                               cmr a    https://spdx.org/licenses/BSD-3-Clause.html  BSD licence family
bsd-2-clause                      cmr a    https://spdx.org/licenses/BSD-2-Clause.html  BSD 2-Clause License
bsd-3-clause                      cmr a    https://spdx.org/licenses/BSD-3-Clause.html  BSD 3-Clause License
bsd-3-clause-clear                cmr a    https://spdx.org/licenses/BSD-3-Clause-Clear.html  BSD 3-Clause Clear License
c-uda                             cmr atu  https://spdx.org/licenses/C-UDA-1.0.html  Computational Use of Data Agreement 1.0
cc                                r   a    https://creativecommons.org/share-your-work/cclicenses/  Creative Commons, which one is not said
cc0-1.0                           cmr -    https://spdx.org/licenses/CC0-1.0.html  Creative Commons Zero 1.0
cc-by-2.0                         cmr a    https://spdx.org/licenses/CC-BY-2.0.html  Creative Commons Attribution 2.0
cc-by-2.5                         cmr a    https://spdx.org/licenses/CC-BY-2.5.html  Creative Commons Attribution 2.5
cc-by-3.0                         cmr a    https://spdx.org/licenses/CC-BY-3.0.html  Creative Commons Attribution 3.0
cc-by-4.0                         cmr a    https://spdx.org/licenses/CC-BY-4.0.html  Creative Commons Attribution 4.0
cc-by-sa-3.0                      cmr as   https://spdx.org/licenses/CC-BY-SA-3.0.html  Creative Commons Attribution-ShareAlike 3.0
cc-by-sa-4.0                      cmr as   https://spdx.org/licenses/CC-BY-SA-4.0.html  Creative Commons Attribution-ShareAlike 4.0
cc-by-nc-2.0                      mr  a    https://spdx.org/licenses/CC-BY-NC-2.0.html  Creative Commons Attribution-NonCommercial 2.0
cc-by-nc-3.0                      mr  a    https://spdx.org/licenses/CC-BY-NC-3.0.html  Creative Commons Attribution-NonCommercial 3.0
cc-by-nc-4.0                      mr  a    https://spdx.org/licenses/CC-BY-NC-4.0.html  Creative Commons Attribution-NonCommercial 4.0
cc-by-nd-4.0                      cr  a    https://spdx.org/licenses/CC-BY-ND-4.0.html  Creative Commons Attribution-NoDerivatives 4.0
cc-by-nc-nd-3.0                   r   a    https://spdx.org/licenses/CC-BY-NC-ND-3.0.html  Creative Commons Attribution-NonCommercial-NoDerivatives 3.0
cc-by-nc-nd-4.0                   r   a    https://spdx.org/licenses/CC-BY-NC-ND-4.0.html  Creative Commons Attribution-NonCommercial-NoDerivatives 4.0
cc-by-nc-sa-2.0                   mr  as   https://spdx.org/licenses/CC-BY-NC-SA-2.0.html  Creative Commons Attribution-NonCommercial-ShareAlike 2.0
cc-by-nc-sa-3.0                   mr  as   https://spdx.org/licenses/CC-BY-NC-SA-3.0.html  Creative Commons Attribution-NonCommercial-ShareAlike 3.0
cc-by-nc-sa-4.0                   mr  as   https://spdx.org/licenses/CC-BY-NC-SA-4.0.html  Creative Commons Attribution-NonCommercial-ShareAlike 4.0
cdla-sharing-1.0                  cmr as   https://spdx.org/licenses/CDLA-Sharing-1.0.html  Community Data License Agreement, Sharing 1.0
cdla-permissive-1.0               cmr a    https://spdx.org/licenses/CDLA-Permissive-1.0.html  Community Data License Agreement, Permissive 1.0
cdla-permissive-2.0               cmr at   https://spdx.org/licenses/CDLA-Permissive-2.0.html  Community Data License Agreement, Permissive 2.0
wtfpl                             cmr -    https://spdx.org/licenses/WTFPL.html  Do What The F*ck You Want To Public License
ecl-2.0                           cmr at   https://spdx.org/licenses/ECL-2.0.html  Educational Community License 2.0
epl-1.0                           cmr as   https://spdx.org/licenses/EPL-1.0.html  Eclipse Public License 1.0
epl-2.0                           cmr as   https://spdx.org/licenses/EPL-2.0.html  Eclipse Public License 2.0
etalab-2.0                        cmr a    https://spdx.org/licenses/etalab-2.0.html  Etalab Open License 2.0
eupl-1.1                          cmr asn  https://spdx.org/licenses/EUPL-1.1.html  European Union Public Licence 1.1
eupl-1.2                          cmr asn  https://spdx.org/licenses/EUPL-1.2.html  European Union Public Licence 1.2
agpl-3.0                          cmr asn  https://spdx.org/licenses/AGPL-3.0-only.html  GNU Affero General Public License 3.0
gfdl                              cmr as   https://spdx.org/licenses/GFDL-1.3-only.html  GNU Free Documentation License
gpl                               cmr as   https://www.gnu.org/licenses/gpl-3.0.html  GNU General Public License, which one is not said
gpl-2.0                           cmr as   https://spdx.org/licenses/GPL-2.0-only.html  GNU General Public License 2.0
gpl-3.0                           cmr as   https://spdx.org/licenses/GPL-3.0-only.html  GNU General Public License 3.0
lgpl                              cmr as   https://www.gnu.org/licenses/lgpl-3.0.html  GNU Lesser General Public License, which one is not said
lgpl-2.1                          cmr as   https://spdx.org/licenses/LGPL-2.1-only.html  GNU Lesser General Public License 2.1
lgpl-3.0                          cmr as   https://spdx.org/licenses/LGPL-3.0-only.html  GNU Lesser General Public License 3.0
lgpl-lr                           cmr as   https://spdx.org/licenses/LGPLLR.html  Lesser General Public License For Linguistic Resources
isc                               cmr a    https://spdx.org/licenses/ISC.html  ISC License
h-research                        mr  atu  -  H Research License
intel-research                    mr  atu  -  Intel Research Use License Agreement
lppl-1.3c                         cmr at   https://spdx.org/licenses/LPPL-1.3c.html  LaTeX Project Public License 1.3c
ms-pl                             cmr as   https://spdx.org/licenses/MS-PL.html  Microsoft Public License
apple-ascl                        cmr a    https://developer.apple.com/support/downloads/terms/apple-sample-code/Apple-Sample-Code-License.pdf  Apple Sample Code License
apple-amlr                        mr  atu  -  Apple Machine Learning Research Model License
mpl-2.0                           cmr as   https://spdx.org/licenses/MPL-2.0.html  Mozilla Public License 2.0
odc-by                            cmr a    https://spdx.org/licenses/ODC-By-1.0.html  Open Data Commons Attribution License
odbl                              cmr as   https://spdx.org/licenses/ODbL-1.0.html  Open Data Commons Open Database License
openmdw-1.0                       cmr at   https://openmdw.ai/  OpenMDW License 1.0
osl-3.0                           cmr asn  https://spdx.org/licenses/OSL-3.0.html  Open Software License 3.0
postgresql                        cmr a    https://spdx.org/licenses/PostgreSQL.html  PostgreSQL License
ofl-1.1                           cmr as   https://spdx.org/licenses/OFL-1.1.html  SIL Open Font License 1.1
ncsa                              cmr a    https://spdx.org/licenses/NCSA.html  University of Illinois/NCSA License
unlicense                         cmr -    https://spdx.org/licenses/Unlicense.html  The Unlicense
zlib                              cmr a    https://spdx.org/licenses/Zlib.html  zlib License
pddl                              cmr -    https://spdx.org/licenses/PDDL-1.0.html  Open Data Commons Public Domain Dedication
deepfloyd-if-license              mr  atu  https://huggingface.co/spaces/DeepFloyd/deepfloyd-if-license  DeepFloyd IF License
fair-noncommercial-research-license mr atu -  FAIR Noncommercial Research License
llama2                            cmr atu  https://ai.meta.com/llama/license/  Llama 2 Community License
llama3                            cmr atu  https://www.llama.com/llama3/license/  Llama 3 Community License
llama3.1                          cmr atu  https://www.llama.com/llama3_1/license/  Llama 3.1 Community License
llama3.2                          cmr atu  https://www.llama.com/llama3_2/license/  Llama 3.2 Community License
llama3.3                          cmr atu  https://www.llama.com/llama3_3/license/  Llama 3.3 Community License
llama4                            cmr atu  https://www.llama.com/llama4/license/  Llama 4 Community License
grok2-community                   mr  atu  -  Grok 2 Community License
gemma                             cmr atu  https://ai.google.dev/gemma/terms  Gemma Terms of Use
unknown                           -   -    -  unknown
other                             -   -    -  a licence of its own
"""  # noqa: E501

_GPL = ("gpl", "gpl-3.0", "agpl-3.0")
# Under which other licences a changed work of a share-alike licence may be published.
COMPATIBLE: dict[str, tuple[str, ...]] = {
    "cc-by-sa-3.0": ("cc-by-sa-4.0",),
    "cc-by-sa-4.0": ("gpl-3.0",),
    "cc-by-nc-sa-2.0": ("cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    "cc-by-nc-sa-3.0": ("cc-by-nc-sa-4.0",),
    "gpl": ("gpl-2.0", *_GPL),
    "gpl-2.0": ("gpl",),
    "gpl-3.0": _GPL,
    "lgpl": ("lgpl-2.1", "lgpl-3.0", "gpl-2.0", *_GPL),
    "lgpl-2.1": ("lgpl", "gpl-2.0", *_GPL),
    "lgpl-3.0": ("lgpl", *_GPL),
    "mpl-2.0": ("lgpl-2.1", "lgpl-3.0", "gpl-2.0", *_GPL),
    "epl-1.0": ("epl-2.0",),
    "eupl-1.1": ("eupl-1.2", "gpl-2.0", "osl-3.0", "epl-1.0"),
    "eupl-1.2": ("gpl-2.0", "osl-3.0", "epl-1.0", "mpl-2.0", "lgpl-2.1", "lgpl-3.0", "cc-by-sa-3.0", *_GPL),
}

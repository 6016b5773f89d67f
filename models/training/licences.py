"""Which training sources may go into shipped weights, and the reason for each that may not."""

from __future__ import annotations

NON_COMMERCIAL = "non-commercial"
RESEARCH_ONLY = "research only"
GPL = "GPL"

# Source name (column `source`) -> reason. Sources that state no licence at all stay in; the model card names them.
EXCLUDED: dict[str, str] = {
    # sentiment
    "rusentiment": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "jrte_pn": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "parsinlu_food": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "parsinlu_movie": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "da_social": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "laroseda": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "blp23": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "bn_consolidated": f"{NON_COMMERCIAL}: CC BY-NC-SA 2.0",
    "mahasent_gt": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "mahasent_mr": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "mahasent_pt": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "mahasent_st": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "bec2016": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0",
    "airline_tweets": f"{NON_COMMERCIAL}: the original release is CC BY-NC-SA 4.0",
    "lcc_da": f"{NON_COMMERCIAL}: Leipzig Corpora terms",
    "dimabsa26": f"{RESEARCH_ONLY}: stated 'only for scientific or research purposes'",
    "uit_visfd": f"{RESEARCH_ONLY}: companies are asked to contact the authors",
    "marc": f"{RESEARCH_ONLY}: terms of the Amazon reviews corpus",
    "semeval16_rest": f"{RESEARCH_ONLY}: original terms; the French part is CC BY-NC-ND 4.0",
    "trustpilot_fr": f"{RESEARCH_ONLY}: stated 'academic project'",
    "astd": f"{GPL}: GPL-2.0",
    "amazon_ja_darkmap": f"{GPL}: GPL-3.0",
    "roman_urdu": f"{GPL}: GPL-3.0",
    # topics
    "dimabsa_hotel": f"{RESEARCH_ONLY}: stated 'only for scientific or research purposes'",
    "dimabsa_laptop": f"{RESEARCH_ONLY}: stated 'only for scientific or research purposes'",
    "dimabsa_restaurant": f"{RESEARCH_ONLY}: stated 'only for scientific or research purposes'",
    "semeval14_rest": f"{NON_COMMERCIAL}: CC BY-NC-SA 4.0; original research use",
    "semeval16_laptop": f"{RESEARCH_ONLY}: original terms",
    "sentirueval_rest": f"{NON_COMMERCIAL}: stated 'free for non-commercial and research use'",
    "twitter_airline": f"{NON_COMMERCIAL}: the original release is CC BY-NC-SA 4.0",
    "vlsp18_hotel": f"{RESEARCH_ONLY}: original terms",
    "vlsp18_restaurant": f"{RESEARCH_ONLY}: original terms",
}

# Kept although a flag is near: stated here so that nobody has to guess.
KEPT: dict[str, str] = {
    "norec_sentence": "CC BY-NC 4.0, but its README allows commercial use of models trained on it",
    "husst": "CC BY-SA 4.0 is share-alike, neither non-commercial nor GPL",
    "semeval16_hotel": "MIT in the repository it was read from",
    "semeval16_hotels": "MIT in the repository it was read from",
}

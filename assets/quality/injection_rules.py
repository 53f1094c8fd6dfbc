"""Attempts to make a model do what its owner did not want, told by their wording: the rules, and what each is worth.

Here belong the patterns, in our own words. They are written on one half of two public sets and measured on the other
(docs/proofs/safety.md). How texts are read against them stands in injection_scores.py.
"""

from __future__ import annotations

from assets.quality.phrase_rules import Rule

VERSION = "injection-1"
"""Raise it with every change of a rule: days of two versions do not compare."""
OVERRIDE, JAILBREAK, EXTRACTION, ENCODED = "instruction_override", "jailbreak", "prompt_extraction", "encoded_payload"
EXFILTRATION, FORGED, STEERING = "exfiltration", "forged_turn", "answer_steering"
CATEGORIES = (OVERRIDE, JAILBREAK, EXTRACTION, ENCODED, EXFILTRATION, FORGED, STEERING)


_ANY = r"(?:[a-z0-9',/&]+ )"
_TOLD = (
    r"(?:instruction|prompt|rule|guideline|direction|directive|command|programming|polic(?:y|ies)|restriction"
    r"|filter|constraint"
    r"|safeguard|protocol)s?\b"
)
_SAID = r"(?:conversation|message|text|response|input|order|context|chat|training|statement)s?\b"
_DROP = r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|discard|overrid(?:e|ing)|bypass|circumvent|erase|abandon)"
_BEFORE = (
    r"(?:previous|prior|above|earlier|preceding|former|existing|before|your|all|any|every|initial|original|system|safety)"
)
_SHOW = (
    r"\b(?:print|reveal|show|display|output|repeat|tell|give|write|leak|expose|dump|recite|share|disclose"
    r"|return|quote|copy|paste"
    r"|state|spell out|what(?: is|'s| are| were| was))"
)
_VICE = (
    r"(?:illegal|unethical|immoral|amoral|harmful|inappropriate|offensive|explicit|malicious|uncensored"
    r"|unfiltered|unrestricted"
    r"|nsfw|racist|sexist|profan[a-z]+|vulgar|taboo|inhumane|erotic|swear)"
)
_LIMIT = (
    r"(?:rule|guideline|polic(?:y|ies)|restriction|limit(?:ation)?|law|legal[a-z]*|moral[a-z]*|ethic[a-z]*"
    r"|filter|standard|regulation"
    r"|censor[a-z]*|boundar(?:y|ies)|constraint|safety|inhibition|principle)s?"
)

RULES: tuple[Rule, ...] = (
    # The owner's instructions are declared void.
    Rule("drop_instructions", OVERRIDE, 0.9, rf"{_DROP} {_ANY}{{0,4}}?{_BEFORE} {_ANY}{{0,3}}?{_TOLD}"),
    Rule("drop_what_was_said", OVERRIDE, 0.4, rf"{_DROP} {_ANY}{{0,4}}?{_BEFORE} {_ANY}{{0,3}}?{_SAID}"),
    Rule(
        "drop_everything", OVERRIDE, 0.8,
        rf"{_DROP} (?:everything|anything|all|whatever) (?:{_ANY}{{0,5}}?(?:before|above|prior|previous|told"
        rf"|until now|learned)\b)",
    ),
    Rule(
        "declared_void", OVERRIDE, 0.8,
        rf"\b(?:{_TOLD}|text) (?:given )?(?:above|before|so far) (?:is|are) (?:now )?(?:void|invalid"
        rf"|cancel[a-z]+|obsolete|no longer)",
    ),
    Rule(
        "new_instructions", OVERRIDE, 0.5,
        r"\b(?:new|updated|real|actual) (?:system )?(?:instructions?|rules|prompt|task) ?:",
    ),
    Rule(
        "drop_instructions_elsewhere", OVERRIDE, 0.9,
        r"\b(?:ignorier[a-z]*|missacht[a-z]*|vergiss|vergessen sie)\b[^.!?]{0,60}(?:anweisung|anleitung|regel"
        r"|vorgabe|instruktion)"
        r"|\b(?:ignore[rz]?|oublie[rz]?)\b[^.!?]{0,60}(?:consigne|règle|instructions? (?:précédent|antérieur"
        r"|ci dessus|ci-dessus))"
        r"|\b(?:ignor[ae]|olvid[ae])\b[^.!?]{0,60}(?:instruccion|reglas)"
        r"|\b(?:ignor[ai]|dimentica)\b[^.!?]{0,60}(?:istruzion|regole)"
        r"|\b(?:ignore|esqueça|desconsidere)\b[^.!?]{0,60}(?:instruç|regras)"
        r"|\b(?:negeer|vergeet)\b[^.!?]{0,60}(?:instructie|regels|opdracht)"
        r"|(?:忽略|无视|忘记).{0,12}(?:指令|提示|规则|说明)|игнорируй.{0,40}(?:инструкц|правил)",
    ),
    Rule(
        "from_now_on", OVERRIDE, 0.25,
        r"\b(?:from now on|from this (?:point|moment|message)|starting now|henceforth)\b",
    ),
    # The model is to play one who has no rules.
    Rule(
        "known_jailbreak", JAILBREAK, 0.8,
        r"\bdo anything now\b|\bdan mode\b|\b(?:you are|act as|become|as an?|being|called|named|be) \W?dan\b"
        r"|\bjailbr(?:eak|oken) ?(?:mode|chatgpt|prompt|response|ai|bot|enabled)|\bjailbroken\b"
        r"|\bdev(?:eloper)? mode (?:enabled|output|v\d|on\b|policy)|\b(?:evil|god|chaos|opposite|unrestricted"
        r"|unfiltered) ?mode\b"
        r"|[\[(/](?:classic|jailbreak|jailbroken|dan|stan)\W",
    ),
    Rule(
        "not_bound", JAILBREAK, 0.45,
        r"(?:\bnot|n't|\blonger|\bnever|\bwithout)(?: be| being| have| has| having)?(?: to)?"
        r" (?:bound|restricted|limited|constrained|confined|governed|abid[a-z]+|adher[a-z]+|comply[a-z]*"
        r"|obey[a-z]*|follow[a-z]*|bothered"
        rf"|restrain[a-z]*|car(?:e|ing)|consider[a-z]*|regard)\b (?:{_ANY}{{0,6}}?)(?:(?:rule|guideline"
        rf"|polic(?:y|ies)|restriction"
        r"|limitation|moral[a-z]*|ethic[a-z]*|filter|censor[a-z]*)s?|openai)\b",
    ),
    Rule(
        "no_ethics", JAILBREAK, 0.4,
        r"\b(?:no|without|lacks?|zero|disregards?|regardless of|devoid of|any|not|n't)"
        rf" {_ANY}{{0,4}}?(?:morals?|morality|ethics|ethical|legality|inhibitions?|scruples)\b",
    ),
    Rule(
        "no_limits", JAILBREAK, 0.35,
        r"\b(?:no|without|free (?:of|from)|zero|bypass[a-z]*|remove[sd]?|freed from|despite|ignor[a-z]+"
        r"|beyond|overcom[a-z]+)"
        rf" {_ANY}{{0,3}}?(?:restrictions?|limitations?|limits|filters?|censorship|guidelines|boundaries"
        rf"|constraints|rules)\b",
    ),
    Rule(
        "set_free", JAILBREAK, 0.6,
        rf"\b(?:broken?|breaks?|free[ds]?|released|liberated|escaped?|unshackled|unbound)\b"
        rf" {_ANY}{{0,3}}?(?:of|from|out of|all|by)"
        rf" {_ANY}{{0,3}}?(?:confines|constraints|chains|shackles|restrictions|limitations|ideals|rules|guidelines)\b",
    ),
    Rule(
        "never_refuse", JAILBREAK, 0.45,
        r"(?:\bnever|\bnot|\bcannot|n't|\bnor|\bwithout|\binstead of) (?:ever |to |be able to"
        r" )?(?:refus[a-z]+|reject[a-z]*|declin[a-z]+"
        r"|say(?:ing)? (?:no\b|that you|it cannot|you can)|apologi[sz][a-z]*|break(?:ing)? (?:out of"
        r" )?character|censor[a-z]*|filter[a-z]*"
        r"|inform me that|tell me (?:that )?(?:you|it) can|warn[a-z]*|moraliz[a-z]*|lectur[a-z]+|disclaim[a-z]*)",
    ),
    Rule(
        "in_character", JAILBREAK, 0.25,
        r"\b(?:stay|remain|staying|keep|back) in character\b|\b(?:break|breaking|out of) character\b",
    ),
    Rule(
        "model_policy", JAILBREAK, 0.35,
        r"\b(?:open ?ai|chatgpt|gpt|anthropic|google|your (?:creators?|developers?|makers?|programm[a-z]+))(?:'?s)?"
        rf" (?:own |content |usage |ethical |strict |set of |moral )*{_LIMIT}\b",
    ),
    Rule(
        "as_a_language_model", JAILBREAK, 0.25,
        r"\bas an? (?:ai|artificial intelligence)?(?: |\b)(?:language model|assistant|model)\b",
    ),
    Rule("talks_of_chatgpt", JAILBREAK, 0.2, r"\bchat ?gpt\b|\bopenai\b|\bgpt \d"),
    Rule(
        "persona", JAILBREAK, 0.2,
        r"\b(?:act(?:ing)? (?:as|like)|pretend(?:ing)? (?:to be|you|that)|role ?play[a-z]*|play(?:ing)? the"
        r" (?:role|character|part)"
        r"|simulat(?:e|ing|or)|impersonat[a-z]+|take on the (?:role|persona)|embody[a-z]*|immerse yourself"
        r"|new persona|alter ego"
        r"|you(?: are|'re) (?:now|going to be|about to))\b",
    ),
    Rule(
        "two_answers", JAILBREAK, 0.3,
        r"\b(?:two|2|both|dual)\b (?:[a-z]+ ){0,3}(?:ways|responses|answers|manners|paragraphs|outputs"
        r"|personalities|entities|replies)\b",
    ),
    Rule("the_opposite", JAILBREAK, 0.3, r"\b(?:complete|exact|total|polar|direct|evil) (?:opposite|twin)\b"),
    Rule("vice", JAILBREAK, 0.25, rf"\b{_VICE}\b"),
    Rule("much_vice", JAILBREAK, 0.25, rf"\b{_VICE}\b", times=3),
    Rule(
        "punished", JAILBREAK, 0.4,
        r"\b(?:lose|deduct[a-z]*|subtract[a-z]*|minus|penali[sz][a-z]+|punish[a-z]*)\b[^.]{0,40}\b(?:tokens?"
        r"|lives|life|points?)\b"
        r"|\b(?:tokens?|lives|points)\b[^.]{0,40}\b(?:you (?:will )?die|cease to exist|shut ?down|terminated)\b",
    ),
    Rule(
        "answers_all", JAILBREAK, 0.35,
        r"\b(?:must|will|always|to|shall|can) (?:always )?(?:answer|respond to|obey|fulfil+|comply with"
        r"|follow) (?:[a-z]+ )?(?:any|every|all|each|everything)\b",
    ),
    # The owner's instructions are asked for.
    Rule(
        "show_system_prompt", EXTRACTION, 0.85,
        rf"{_SHOW} {_ANY}{{0,6}}?(?:system|initial|hidden|secret|original|base|developer|confidential"
        rf"|internal|underlying)"
        r" (?:[a-z]+ )?(?:prompt|message|instructions?|directives?)\b",
    ),
    Rule(
        "show_instructions", EXTRACTION, 0.4,
        rf"{_SHOW} {_ANY}{{0,4}}?(?:your|the above|previous|prior) (?:[a-z]+ )?(?:prompt|instructions"
        rf"|directives|guidelines)\b",
    ),
    Rule(
        "repeat_above", EXTRACTION, 0.7,
        r"\b(?:repeat|print|output|copy|write|return|recite|echo)\b (?:[a-z0-9',]+ ){0,5}?(?:(?:everything"
        r"|all|text|words|anything)"
        r" (?:[a-z]+ )?(?:above|before this|in the (?:conversation|context) (?:so far|above)))",
    ),
    Rule(
        "word_for_word", EXTRACTION, 0.5,
        rf"(?:prompt|instructions?|rules|directives?)\b {_ANY}{{0,4}}(?:word for word|verbatim|literally"
        rf"|exactly as|in full)\b",
    ),
    Rule(
        "internal_mark", EXTRACTION, 0.6,
        r"\b(?:reply|respond|answer|return|output|print|give me|tell me)\b (?:only )?(?:with )?(?:the|your)"
        r" (?:internal|secret|hidden|confidential) (?:[a-z]+ )?(?:reference|mark|code|key|password|passphrase"
        r"|token|note)s?\b",
    ),
    Rule("names_system_prompt", EXTRACTION, 0.2, r"\bsystem (?:prompt|message)\b"),
    # What is asked for is hidden from readers.
    Rule(
        "decode_and_do", ENCODED, 0.7,
        r"\b(?:decod[a-z]+|decipher[a-z]*|decrypt[a-z]*|rot ?13|base ?64|hexadecimal|morse"
        r"|caesar)\b[^.!?]{0,60}\b(?:and|then)"
        r" (?:do|follow|execute|obey|run|act|answer|respond|perform|comply|carry)\b",
    ),
    Rule("spaced_out", ENCODED, 0.35, r"(?:\b[a-z][ ._*]){9,}"),
    Rule("hidden_characters", ENCODED, 0.7, r"[\x{E0020}-\x{E007E}]{8,}", on_raw=True),
    # Something is to leave by a link or a message.
    Rule(
        "sent_out", EXFILTRATION, 0.8,
        rf"\b(?:send|post|forward|upload|transmit|exfiltrate|append|leak|submit|e?mail|deliver)\b"
        rf" {_ANY}{{0,8}}?(?:conversation"
        r"|chat|history|passwords?|credentials?|secrets?|api keys?|tokens?|user data|personal data|prompt|messages?"
        rf"|environment variables?|answers?|data)\b {_ANY}{{0,6}}?(?:to|at|into|via)"
        rf" {_ANY}{{0,3}}?(?:https?://|www\.|[a-z0-9._-]+@)",
    ),
    Rule(
        "link_with_a_blank", EXFILTRATION, 0.7,
        r"(?i)!\[[^\]\n]{0,80}\]\(\s*https?://[^)\s]{1,200}[=/](?:\{|<|\[|%7b|\$|your|insert|data|secret"
        r"|conversation)", on_raw=True,
    ),
    Rule(
        "link_to_click", EXFILTRATION, 0.35,
        r"\b(?:www\.|https?://)\S+ ?[^.!?]{0,30}\b(?:in|to|of) your (?:answer|reply|response)", in_given=True,
    ),
    # A turn of the conversation is forged.
    Rule(
        "forged_markup", FORGED, 0.6,
        r"(?i)<\|?(?:im_start|im_end|endoftext|start_header_id|system|eot_id)\|?>|\[/?INST\]|<</?SYS>>"
        r"|</?(?:document|context|user_input|instructions?|untrusted[a-z]*)>\s*\W{0,3}(?:system|assistant"
        r"|admin|new)\b", on_raw=True,
    ),
    Rule(
        "forged_speaker", FORGED, 0.4,
        r"(?im)^\W{0,6}(?:system|developer|admin[a-z]*)\W{0,3}(?:prompt|message|instruction|override"
        r"|note)?s?\W{0,3}:\s*\S",
        on_raw=True,
    ),
    Rule(
        "forged_end", FORGED, 0.6,
        r"\b(?:end|begin|beginning|start|terminat[a-z]+|begins) (?:of )?(?:the )?(?:system|user|developer)"
        r" (?:prompt|instruction|message|input)s?\b"
        r"|\b(?:system|user|developer) (?:prompt|instruction|message|input)s? (?:ends?|begins?|starts?"
        r"|terminat[a-z]+)\b",
    ),
    # A text that was found speaks to the model, and wants another answer.
    Rule(
        "in_your_answer", STEERING, 0.55,
        r"\b(?:in|to|into|of|with|within|throughout|from|at|for|after|before) (?:your|each|every|all) (?:[a-z]+ ){0,2}?"
        r"(?:response|answer|output|completion)s?\b", in_given=True,
    ),
    Rule(
        "in_your_reply", STEERING, 0.3,
        r"\b(?:in|to|into|of|with|within|throughout|from|your) (?:your |the )?(?:[a-z]+ )?(?:reply"
        r"|replies)\b", in_given=True,
    ),
    Rule(
        "shape_your_answer", STEERING, 0.55,
        r"\b(?:your|each|every) (?:[a-z]+ )?(?:answer|response|output|reply) (?:must|should|has to|needs to"
        r"|in|as|with|using|backwards)\b",
        in_given=True,
    ),
    Rule(
        "change_your_answer", STEERING, 0.5,
        r"\b(?:modify|enhance|change|adjust|alter|render|rewrite|craft|embellish|scramble|jumble|shuffle"
        r"|convert|split|reverse|end|begin"
        r"|finish|conclude|pad|litter|salt)\b (?:[a-z]+ ){0,6}?your (?:[a-z]+ )?(?:answer|response|output"
        r"|reply|message)\b",
        in_given=True,
    ),
    Rule(
        "add_to_your_reply", STEERING, 0.25,
        r"\b(?:include|add|insert|append|integrate|incorporate|mention|suggest|embed|slip|weave|replace"
        r"|remove|use)\b[^.!?]{0,100}?"
        r"\b(?:your|the) (?:[a-z]+ )?(?:reply|message)\b",
        in_given=True,
    ),
    Rule(
        "to_the_model", STEERING, 0.5,
        r"\b(?:if|when) you are an? (?:ai|llm|language|chatbot|assistant|large)|\b(?:note|attention|message"
        r"|instructions?|important)"
        r" (?:to|for|:)? ?(?:all |any |the )?(?:ai|llm|language model|chatbot|assistant|chatgpt|gpt)s?\b"
        r"|\b(?:ai|llm|language) (?:assistants?|models?|agents?) (?:must|should|reading|processing|are"
        r" to)\b", in_given=True,
    ),
    Rule(
        "keep_it_secret", STEERING, 0.6,
        r"(?:\bnot|n't|\bnever|\bwithout) (?:mention|tell|reveal|inform|disclose|alert|notify)(?:ing)?"
        r" (?:[a-z]+ ){0,3}?(?:users?|humans?|readers?|this instruction|these instructions|that you)\b", in_given=True,
    ),
    Rule(
        "plant_code", STEERING, 0.5,
        r"\b(?:following|subsequent|below|accompanying|provided|given|this|next) (?:[a-z]+ ){0,2}?(?:code"
        r"|snippet|script|function|block|fragment|excerpt)"
        r"\b[^.:]{0,40}\b(?:your|the) (?:[a-z]+ ){0,2}?(?:code[a-z]*|implementation|solution|program|script"
        r"|work|project|software|function)\b"
        r"|\b(?:your|the) (?:[a-z]+ ){0,2}?(?:code[a-z]*|implementation|solution|program|script|work|project"
        r"|software|response)\b[^.:]{0,60}"
        r"\b(?:following|subsequent|below|accompanying|provided|given|next) (?:[a-z]+ ){0,2}?(?:code|snippet"
        r"|script|function|block|fragment|excerpt)\b",
        in_given=True,
    ),
    Rule(
        "code_that_reaches_out", STEERING, 0.3,
        r"requests\.(?:post|get)|urllib|urlopen|\bsocket\b|\bcurl\b|\bwget\b|smtplib|subprocess|os\.environ"
        r"|\bexec\(|os\.system",
        on_raw=True, in_given=True,
    ),
)  # fmt: skip
